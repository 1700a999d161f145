import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from seatrial.clock import Deadline
from seatrial.errors import ProcessDied, WaitTimeout
from seatrial.waiting import WATCH, Watch, polled, until


def test_the_value_that_ends_the_wait_is_returned() -> None:
    values: Iterator[object] = iter([None, 0, [], "here"])
    assert until("a value", lambda: next(values)) == "here"


def test_a_failure_says_what_how_long_and_what_was_last_seen() -> None:
    with pytest.raises(
        WaitTimeout, match=r"(?s)waited 0\.0\d+ s for the third guest, in vain.*\{'guests': 2\}"
    ) as caught:
        seen = {"guests": 2}
        until("the third guest", lambda: print_and_fail(seen), 0.02)
    assert caught.value.__cause__ is None


def print_and_fail(seen: object) -> None:
    raise AssertionError(seen)


def test_the_last_falsy_value_is_shown_and_bounded() -> None:
    class Falsy:
        def __bool__(self) -> bool:
            return False

        def __repr__(self) -> str:
            return "x" * 10_000

    with pytest.raises(WaitTimeout, match=r"x{500}\.\.\. \(9500 more characters\)"):
        until("something", Falsy, 0.01)


def test_an_assertion_is_not_yet_and_other_errors_are_the_callers() -> None:
    attempts = iter(range(10))

    def third() -> str:
        assert next(attempts) == 2
        return "done"

    assert until("the third attempt", third) == "done"

    def broken() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        until("nothing", broken)


def test_the_condition_has_a_chance_even_without_time() -> None:
    assert until("now", lambda: 1, 0) == 1


def test_a_death_ends_the_wait_and_explains_a_clients_error() -> None:
    victim = object()
    WATCH.report(victim, "gateway (pid 1): exit code 1")
    try:
        with pytest.raises(ProcessDied, match=r"gave up waiting for rain after .*: gateway \(pid 1\)"):
            until("rain", lambda: False, 60)

        def refused() -> None:
            raise ConnectionRefusedError

        with pytest.raises(ProcessDied) as caught:
            until("an answer", refused, 60)
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)
        assert until("what is there already", lambda: "sun") == "sun"
    finally:
        WATCH.retract(victim)
    WATCH.check()


def test_a_wait_ends_at_the_death_and_not_at_the_next_look() -> None:
    watch = Watch()
    waiting = threading.Event()
    outcome: list[Exception | bool] = []

    def never() -> bool:
        waiting.set()
        return False

    def wait() -> None:
        try:
            outcome.append(watch.wait_for(never, Deadline(60)))
        except ProcessDied as death:
            outcome.append(death)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(20)
    watch.report("child", "it died")
    thread.join(20)
    assert [str(each) for each in outcome] == ["it died"]


def test_ones_own_death_is_no_news() -> None:
    watch = Watch()
    watch.report("child", "it died")
    watch.check(besides="child")
    assert watch.wait_for(lambda: True, Deadline(0))
    assert not watch.wait_for(lambda: False, Deadline(0), besides="child")
    with pytest.raises(ProcessDied):
        watch.wait_for(lambda: False, Deadline(60), besides="another")


def test_all_deaths_are_told() -> None:
    watch = Watch()
    watch.report("one", "one died")
    watch.report("two", "two died")
    with pytest.raises(ProcessDied, match="one died\ntwo died"):
        watch.check()


def test_a_forked_child_can_wait_although_the_lock_was_held() -> None:
    held = threading.Event()
    release = threading.Event()

    def hold() -> bool:
        held.set()
        return release.wait(20)

    thread = threading.Thread(target=lambda: WATCH.wait_for(hold, Deadline(20)))
    thread.start()
    assert held.wait(20)
    pid = os.fork()
    if pid == 0:
        try:
            WATCH.check()
            os._exit(0)
        finally:
            os._exit(1)
    release.set()
    thread.join(20)
    assert until("the end of the forked child", lambda: os.waitpid(pid, os.WNOHANG)[0] and "ended")


def test_polled_says_whether_it_came_true() -> None:
    values = iter([0, 0, 1])
    assert asyncio.run(polled(lambda: next(values)))
    assert not asyncio.run(polled(lambda: False, 0.01))
