"""Knees and bends of curves whose shape is known."""

import random
from typing import Any

import pytest

import knee
from histogram import Histogram
from plan import Objective, Step
from step import Measured

OBJECTIVE = Objective(p99_ms=100, error_share=0.01, follow=0.95)


def histogram(*ms: float) -> str:
    made = Histogram()
    for each in ms:
        made.record(each / 1000)
    return made.encoded()


def worker_report(due: int, done: int, seconds: float, ms: float, **changes: Any) -> dict[str, Any]:
    return {
        "measured_s": seconds,
        "due": due,
        "done": done,
        "failures": {},
        "response": histogram(*[ms] * due),
        "service": histogram(*[ms] * done),
        "lateness": histogram(*[0.1] * due),
        "calls": {"lobby.get_game": histogram(*[ms] * done)},
        "call_outcomes": [["lobby.get_game", "OK", done]],
        **changes,
    }


def step(rate: float, achieved: float, ms: float = 10, *, index: int = 0, **changes: Any) -> Measured:
    return Measured.of(
        Step(index, rate, 0, 10), [worker_report(int(rate * 10), int(achieved * 10), 10, ms, **changes)]
    )


@pytest.mark.parametrize(
    ("changes", "miss"),
    [
        ({"ms": 101.0}, "p99 101 ms > 100"),
        ({"failures": {"downstream_timeout": 21}}, "errors 1.1% > 1.0%"),
        ({"achieved": 180.0}, "throughput 90% of what was offered"),
    ],
)
def test_the_knee_is_the_last_rate_before_the_first_miss(changes: dict[str, Any], miss: str) -> None:
    missed = step(**{"rate": 200, "achieved": 200, **changes})
    steps = [step(50, 50), step(100, 100), missed, step(250, 250)]
    found = knee.find(steps, OBJECTIVE)
    assert found.sustained is steps[1]
    assert found.broken is missed
    assert missed.misses(OBJECTIVE) == [miss]


def test_a_ramp_without_a_miss_has_no_knee_yet() -> None:
    found = knee.find([step(50, 50), step(100, 100)], OBJECTIVE)
    assert found.sustained is not None
    assert found.sustained.step.rate == 100
    assert found.broken is None


def test_a_ramp_that_begins_beyond_the_knee_sustains_nothing() -> None:
    found = knee.find([step(50, 20, ms=900), step(100, 20, ms=900)], OBJECTIVE)
    assert found.sustained is None
    assert found.broken is not None


def test_a_p99_of_few_samples_is_refused_and_does_not_count_as_kept() -> None:
    few = step(9, 9)
    assert few.percentile(99) is None
    assert few.percentile(95) == pytest.approx(10, rel=0.001)
    assert few.misses(OBJECTIVE) == ["90 samples are too few for a p99"]
    assert knee.find([few], OBJECTIVE).sustained is None


@pytest.mark.parametrize("slope", [0.4, 0.0, -0.3])
@pytest.mark.parametrize("capacity", [130.0, 222.0, 350.0])
def test_saturation_finds_the_bend_of_a_noisy_curve(capacity: float, slope: float) -> None:
    chance = random.Random(7)  # noqa: S311  (noise is no secret)
    offered = [40.0 * index for index in range(1, 13)]
    curve = [rate if rate <= capacity else capacity + slope * (rate - capacity) for rate in offered]
    found = knee.saturation(offered, [rate * chance.uniform(0.985, 1.015) for rate in curve])
    assert found is not None
    assert found.rate == pytest.approx(capacity, rel=0.06)
    assert found.slope == pytest.approx(slope, abs=0.15)
    assert found.rms < 8


@pytest.mark.parametrize(
    "curve",
    [
        [50.0, 100, 150, 200, 250, 300],
        [50.0, 99, 151, 199, 250, 299],
        [50.0, 100, 150],
    ],
)
def test_throughput_that_follows_to_the_end_does_not_saturate(curve: list[float]) -> None:
    assert knee.saturation([50.0 * index for index in range(1, len(curve) + 1)], curve) is None


def test_one_slow_last_step_is_no_bend() -> None:
    assert knee.saturation([50.0, 100, 150, 200, 250], [50.0, 100, 150, 200, 90]) is None or (
        knee.saturation([50.0, 100, 150, 200, 250], [50.0, 100, 150, 200, 90]).rate < 200  # type: ignore[union-attr]
    )


def test_reports_of_workers_add_up() -> None:
    two = [worker_report(300, 290, 10, 5), worker_report(200, 200, 10, 50, failures={"no answer": 3})]
    whole = Measured.of(Step(0, 50, 0, 10), two)
    assert (whole.due, whole.done, whole.workers) == (500, 490, 2)
    assert (whole.offered, whole.achieved) == (50.0, 49.0)
    assert whole.error_share == pytest.approx(3 / 500)
    assert whole.percentile(50) == pytest.approx(5, rel=0.001)
    assert whole.percentile(99) == pytest.approx(50, rel=0.001)
    assert [*whole.call_outcomes] == [("lobby.get_game", "OK", 490)]
