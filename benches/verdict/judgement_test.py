"""Verdicts on samples of which the right one is known."""

from collections.abc import Callable

import numpy as np
import pytest

from verdict.budgets import Budget
from verdict.catalog import Metric
from verdict.comparison import Block, Samples
from verdict.judgement import Judged, judge, refuse
from verdict.protocol import Reading

EPOCHS = 15
TIME = Metric(name="time", group="g", title="t", rig="boots", samples=20)
SIZE = Metric(name="size", group="g", title="t", rig="boots", samples=1, unit="bytes")
WIDE = {"time": Budget("r", p50=1000, p99=1000), "size": Budget("r", most=1e12)}


def measured(
    change: Callable[[np.ndarray], np.ndarray], *, metric: Metric = TIME, spread: float = 0.1
) -> Samples:
    """Samples of two versions that are the same but for a change of the second one's."""
    rng = np.random.default_rng(3)
    samples = Samples()
    for epoch in range(EPOCHS):
        for side in ("A", "B"):
            values = 10 * np.exp(rng.normal(0, spread, metric.samples))
            readings = tuple(Reading(float(value)) for value in (change(values) if side == "B" else values))
            samples.blocks.append(Block(metric.name, side, epoch, 0, len(samples.blocks), readings))
    return samples


def verdict(samples: Samples, metric: Metric = TIME, budgets: dict[str, Budget] | None = None) -> Judged:
    (judged,) = judge(samples, [metric], budgets or WIDE, seed=1)
    return judged


def slower_tail(values: np.ndarray) -> np.ndarray:
    """One in ten takes three times as long."""
    values[::10] *= 3
    return values


@pytest.mark.parametrize(
    ("change", "expected", "red"),
    [
        (lambda values: values, "no evidence", False),
        (lambda values: values * 1.2, "slower", True),
        (lambda values: values + 5, "slower", True),
        (lambda values: values * 0.8, "faster", False),
        (slower_tail, "slower", True),
    ],
    ids=["the same", "20 % more", "5 ms more", "20 % less", "a slower tail"],
)
def test_the_verdict(change: Callable[[np.ndarray], np.ndarray], expected: str, red: bool) -> None:
    judged = verdict(measured(change))
    assert (judged.verdict, judged.red) == (expected, red)


def test_a_tail_that_is_slower_is_told_as_such() -> None:
    judged = verdict(measured(slower_tail))
    assert judged.decisive is not None
    assert (judged.decisive.rank, judged.tested[0].verdict) == (95, "no evidence")


def test_a_difference_that_is_certain_and_small_is_no_evidence() -> None:
    judged = verdict(measured(lambda values: values * 1.03, spread=0.001))
    assert judged.tested[0].adjusted < 0.001
    assert judged.tested[0].effect.share == pytest.approx(0.03, abs=0.002)
    assert judged.verdict == "no evidence"
    assert verdict(measured(lambda values: values * 1.06, spread=0.001)).verdict == "slower"


def test_a_difference_that_is_large_and_uncertain_is_no_evidence() -> None:
    judged = verdict(measured(lambda values: values * 1.1, metric=SIZE, spread=1.0), SIZE)
    assert judged.verdict == "no evidence"


def test_more_memory_is_a_regression() -> None:
    judged = verdict(measured(lambda values: values * 1.04, metric=SIZE, spread=0.005), SIZE)
    assert (judged.verdict, judged.red) == ("slower", True)
    assert judged.quantiles["B"].keys() == {50}


def test_more_metrics_take_more_evidence() -> None:
    """The p-values are adjusted over all of them."""
    both = measured(lambda values: values * 1.04, metric=SIZE, spread=0.02)
    both.blocks += measured(lambda values: values).blocks
    alone = verdict(both, SIZE)
    beside = next(each for each in judge(both, [SIZE, TIME], WIDE, seed=1) if each.metric is SIZE)
    assert beside.tested[0].adjusted > alone.tested[0].adjusted == alone.tested[0].effect.p_value


def test_over_budget_is_red_even_without_a_difference() -> None:
    judged = verdict(measured(lambda values: values), budgets={"time": Budget("r", p50=5, p99=100)})
    assert (judged.verdict, judged.red) == ("no evidence", True)
    assert "is over the budget of 5 ms" in judged.over_budget[0]


def test_what_failed_is_red_and_what_is_refused_where_it_is_mandatory() -> None:
    samples = measured(lambda values: values)
    samples.failures["size"] = "B: broken"
    failed = judge(samples, [TIME, SIZE], WIDE, seed=1)[1]
    assert (failed.verdict, failed.red, failed.reason, failed.decisive) == ("failed", True, "B: broken", None)
    assert [refuse(SIZE, "no engine", mandatory=mandatory).red for mandatory in (True, False)] == [
        True,
        False,
    ]
    assert refuse(SIZE, "no engine", mandatory=False).verdict == "refused"


def test_the_same_samples_and_seed_give_the_same_figures() -> None:
    samples = measured(lambda values: values * 1.2)
    assert judge(samples, [TIME], WIDE, seed=5) == judge(samples, [TIME], WIDE, seed=5)
