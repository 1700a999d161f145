"""Arrivals come whether or not anybody answers, and what waits is measured as waiting."""

import itertools
import statistics

import gevent
import pytest

from contracts.errors import ContractError
from contracts.gateway.edge import Rejected
from contracts.http import NoAnswer
from generator.arrivals import Arrivals
from generator.recorder import Recorder, Unexpected, Window, outcome
from histogram import Histogram
from words import ACTION, EXECUTE, OK


class Clock:
    """Time passes when somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(gevent, "sleep", made.sleep)
    return made


def test_arrivals_are_a_poisson_process_of_the_rate(clock: Clock) -> None:
    arrivals, window = Arrivals(clock), Window(100.0, 300.0)
    arrivals.offer(50.0, window, seed=3)
    due = arrivals.withdraw()
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    assert len(due) == window.due == pytest.approx(10_000, rel=0.04)
    assert statistics.mean(gaps) == pytest.approx(0.02, rel=0.04)
    assert statistics.stdev(gaps) == pytest.approx(0.02, rel=0.06), (
        "exponential gaps have the mean as deviation"
    )
    assert clock.now == 300.0


def test_the_same_seed_gives_the_same_arrivals(clock: Clock) -> None:
    due = []
    for seed in (1, 1, 2):
        clock.now = 100.0
        arrivals = Arrivals(clock)
        arrivals.offer(20.0, Window(100.0, 105.0), seed)
        due.append(arrivals.withdraw())
    assert due[0] == due[1] != due[2]


def test_a_player_who_is_slow_delays_no_arrival() -> None:
    clock = Clock()
    window = Window(100.0, 110.0)
    for index in range(10):
        window.offered(100.0 + index, 0.0)
    # One player, whose first call takes five seconds and all others none: a closed loop would see one slow call of ten.
    for index in range(10):
        due = 100.0 + index
        began = max(due, clock.now)
        clock.now = began + (5.0 if index == 0 else 0.0)
        window.action(due, began, clock.now, OK)
    assert len(window.response) == 10
    slow = [window.response.percentile(rank) for rank in (60, 70, 80, 90, 100)]
    assert slow == pytest.approx([1000.0, 2000.0, 3000.0, 4000.0, 5000.0], rel=0.01)
    assert window.service.percentile(90) < 1
    assert window.service.largest == pytest.approx(5000, rel=0.01)


def test_a_window_takes_what_was_due_in_it_and_what_was_done_in_it() -> None:
    window = Window(10.0, 20.0)
    for due in (9.0, 11.0, 12.0, 13.0, 19.0):
        window.offered(due, 0.001)
    window.action(9.0, 9.0, 10.5, OK)  # due in the warm-up, done in the window
    window.action(11.0, 11.0, 11.1, OK)
    window.action(12.0, 12.0, 12.2, "downstream_timeout")
    window.action(19.0, 19.0, 21.0, OK)  # too late for the throughput, not for its latency
    window.unbegun(13.0, 22.0)
    window.close()
    report = window.report()
    assert (report["due"], report["done"]) == (4, 2)
    assert report["failures"] == {"downstream_timeout": 1, "not begun": 1}
    assert Histogram(report["response"]).largest == pytest.approx(9000, rel=0.01)
    assert len(Histogram(report["response"])) == 4


def test_what_is_still_under_way_at_the_end_has_failed() -> None:
    window = Window(0.0, 10.0)
    window.offered(5.0, 0.0)
    window.close()
    assert window.report()["failures"] == {"not done": 1}


def test_a_window_that_is_cut_is_as_long_as_it_was() -> None:
    window = Window(10.0, 20.0)
    window.cut(14.0)
    assert window.report()["measured_s"] == 4.0
    early = Window(10.0, 20.0)
    early.cut(8.0)
    assert early.report()["measured_s"] == 0.0


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (None, OK),
        (Rejected(EXECUTE, "admission", "RESOURCE_EXHAUSTED", "rate_limited", {}), "rate_limited"),
        (NoAnswer("nothing"), "no answer"),
        (ContractError("a signature that fits no key"), "contract breach"),
        (Unexpected("409 conflict"), "409 conflict"),
        (KeyError("x"), "KeyError"),
    ],
)
def test_outcomes_are_few_words(error: Exception | None, word: str) -> None:
    assert outcome(error) == word


def test_the_recorder_keeps_every_call_and_the_first_breaches() -> None:
    clock = Clock()
    recorder = Recorder(clock)
    recorder.on_request(EXECUTE, "lobby.get_game", None, {"began": 99.0})
    recorder.window = Window(100.0, 110.0)
    for number in range(7):
        breach = ContractError(f"breach {number}")
        recorder.on_request(EXECUTE, "lobby.get_game", breach, {"began": 100.0})
    recorder.on_request(ACTION, "Commands", None, {"began": 100.0, "due": 100.0})
    totals = recorder.totals()
    assert totals["ever"] == [
        [EXECUTE, "lobby.get_game", OK, 1],
        [EXECUTE, "lobby.get_game", "contract breach", 7],
    ]
    assert totals["breaches"] == [f"breach {number}" for number in range(5)]
    assert recorder.window.report()["call_outcomes"] == [["lobby.get_game", "contract breach", 7]]
    assert recorder.window.done == 1
