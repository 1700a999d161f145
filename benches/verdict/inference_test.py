"""What is said of samples holds for samples of which the answer is known."""

import itertools

import numpy as np
import pytest

from verdict.inference import (
    CONFIDENCE,
    EXACT_UP_TO,
    Floats,
    effect,
    epochs_for,
    holm,
    log_ratios,
    percentile_ranks,
    permutation_p_value,
    quantiles,
)

EPOCHS = 15
SAMPLES = 20
RUNS = 600
LEVEL = 0.01


def machines(
    rng: np.random.Generator,
    *,
    drift: float = 0,
    correlation: float = 0,
    instance: float = 0,
    runs: int = RUNS,
) -> tuple[Floats, Floats]:
    """Runs of two versions that are the same, measured in turns on a machine that drifts, remembers, and boots better or worse.

    Each is an array of runs, epochs and samples. The spread of a sample is about 10 %, a tenth of it far outside.
    """
    length = EPOCHS * SAMPLES * 2
    shocks = rng.standard_normal((runs, length)) * 0.1 * np.sqrt(1 - correlation**2)
    machine = np.empty_like(shocks)
    before = rng.standard_normal(runs) * 0.1
    for index in range(length):
        before = machine[:, index] = correlation * before + shocks[:, index]
    machine += np.linspace(0, drift, length)
    machine += rng.exponential(0.5, machine.shape) * (rng.random(machine.shape) < 0.1)
    blocks = np.exp(machine).reshape(runs, EPOCHS, 2, 2, SAMPLES // 2)
    first_slot = rng.integers(2, size=(runs, EPOCHS, 2, 1, 1))
    sides = [
        np.take_along_axis(blocks, slot, axis=3).reshape(runs, EPOCHS, SAMPLES)
        for slot in (first_slot, 1 - first_slot)
    ]
    first, second = (side * np.exp(rng.normal(0, instance, (runs, EPOCHS, 1))) for side in sides)
    return first, second


@pytest.mark.parametrize(
    ("drift", "correlation", "instance"),
    [(0, 0, 0), (2.0, 0, 0), (0, 0.98, 0), (1.0, 0.95, 0.05), (0, 0, 0.2)],
    ids=["steady", "drift", "autocorrelation", "all of it", "boots that differ"],
)
def test_identical_versions_are_told_apart_no_more_often_than_the_level_says(
    drift: float, correlation: float, instance: float
) -> None:
    rng = np.random.default_rng(7)
    runs = machines(rng, drift=drift, correlation=correlation, instance=instance)
    found = np.array([permutation_p_value(log_ratios(*run)) for run in zip(*runs, strict=True)])
    # Three standard deviations of a count: what a right test exceeds once in a thousand seeds
    for level in (0.01, 0.05, 0.2):
        assert np.mean(found <= level) <= level + 3 * np.sqrt(level * (1 - level) / RUNS)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_samples_of_one_boot_taken_as_independent_would_raise_false_alarms() -> None:
    """The fault that the epochs are there to avoid: boots differ, and many samples of few boots look like much evidence."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(100):
        boots = np.exp(rng.normal(0, 0.05, 2))
        first, second = (np.exp(rng.normal(0, 0.05, (EPOCHS, SAMPLES))) * boot for boot in boots)
        alarms += permutation_p_value(log_ratios(first, second)) <= LEVEL
    assert alarms > 50


@pytest.mark.parametrize("share", [0.1, 0.2, -0.1])
def test_a_shift_is_found_in_spite_of_drift_and_autocorrelation(share: float) -> None:
    rng = np.random.default_rng(11)
    found = []
    for first, second in zip(
        *machines(rng, drift=1.0, correlation=0.5, instance=0.01, runs=100), strict=True
    ):
        seen = effect(first, second * (1 + share))
        found.append(seen.p_value <= 0.001 and seen.share == pytest.approx(share, abs=0.06))
    assert np.mean(found) >= 0.9


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(13)
    holds = []
    for first, second in zip(*machines(rng, drift=0.5, correlation=0.5, instance=0.05), strict=True):
        interval = effect(first, second * 1.07).interval
        holds.append(interval.low <= 0.07 <= interval.high)
    assert CONFIDENCE - 0.03 <= np.mean(holds) <= 1


def test_the_interval_leaves_out_0_exactly_when_the_test_rejects_at_its_level() -> None:
    rng = np.random.default_rng(17)
    seen = set()
    for _ in range(300):
        first, second = np.exp(rng.normal(0, 0.1, (EPOCHS, 3))), np.exp(rng.normal(0.05, 0.1, (EPOCHS, 3)))
        found = effect(first, second)
        without = found.interval.low > 0 or found.interval.high < 0
        assert without is (found.p_value <= 1 - CONFIDENCE)
        seen.add(without)
    assert seen == {True, False}


def test_the_p_value_is_that_of_counting_every_assignment() -> None:
    ratios = np.array([0.3, -0.1, 0.2, 0.05, 0.05, 0.0, 0.4])
    # Ranks of 0.3 0.1 0.2 0.05 0.05 0 0.4: 6 4 5 2.5 2.5 1 7; the 0 has no sign
    ranks = (6, 4, 5, 2.5, 2.5, 7)
    observed = 6 - 4 + 5 + 2.5 + 2.5 + 7
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product((1, -1), repeat=6)]
    assert permutation_p_value(ratios) == np.mean([each >= observed for each in sums])
    assert permutation_p_value(-ratios) == permutation_p_value(ratios)


def test_the_smallest_p_value_of_n_epochs_is_2_in_2_to_the_n() -> None:
    assert permutation_p_value(np.arange(1, 11) / 100) == 2 / 2**10
    assert permutation_p_value(np.zeros(10)) == 1


def test_many_epochs_are_sampled_and_never_give_a_p_value_of_0() -> None:
    many = np.full(EXACT_UP_TO + 10, 0.1) + np.arange(EXACT_UP_TO + 10) / 1000
    assert 0 < permutation_p_value(many) < 0.001
    assert permutation_p_value(many * np.tile([1, -1], len(many) // 2)) > 0.1


def test_an_outlier_counts_no_more_than_its_rank() -> None:
    ratios = np.array([0.1 + index / 1000 for index in range(14)] + [-50.0])
    assert permutation_p_value(ratios) < 0.05
    first = np.ones((15, 1))
    assert effect(first, np.exp(ratios)[:, None]).share == pytest.approx(np.expm1(0.106), abs=0.01)


def test_holm_multiplies_stepwise_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_keeps_the_chance_of_any_false_alarm_below_the_level() -> None:
    rng = np.random.default_rng(19)
    alarms = [min(holm(rng.uniform(size=30).tolist())) <= 0.05 for _ in range(2000)]
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize("hypotheses", [1, 6, 34, 60])
def test_there_are_epochs_enough_for_holm_to_reject(hypotheses: int) -> None:
    epochs = epochs_for(hypotheses, LEVEL)
    all_agree = permutation_p_value(np.arange(1, epochs + 1) / 100)
    assert all_agree * hypotheses <= LEVEL
    one_smallest_apart = np.arange(1, epochs + 1) / 100 * np.array([-1] + [1] * (epochs - 1))
    assert permutation_p_value(one_smallest_apart) * hypotheses <= LEVEL
    assert 2 / 2 ** (epochs - 3) * hypotheses > LEVEL or epochs == 6


def test_too_few_epochs_are_refused() -> None:
    with pytest.raises(ValueError, match="5 epochs are too few"):
        effect([[1.0]] * 5, [[1.0]] * 5)


def test_what_is_not_positive_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared as a ratio"):
        effect([[0.0]] * 6, [[1.0]] * 6)


def test_percentiles_are_nearest_ranks_within_their_intervals() -> None:
    rng = np.random.default_rng(23)
    epochs = rng.permutation(np.arange(1.0, 301)).reshape(15, 20)
    found = quantiles(epochs.tolist(), rng)
    assert {rank: each.value for rank, each in found.items()} == {50: 150, 95: 285, 99: 297}
    for each in found.values():
        assert each.interval.low <= each.value <= each.interval.high
        assert each.interval.low < each.interval.high


def test_a_p99_of_99_samples_is_refused() -> None:
    assert [percentile_ranks(count) for count in (19, 20, 99, 100)] == [
        (50,),
        (50, 95),
        (50, 95),
        (50, 95, 99),
    ]


def test_intervals_of_percentiles_know_that_epochs_differ() -> None:
    """As many samples of boots that differ tell less than of boots that do not."""
    rng = np.random.default_rng(29)
    same = rng.normal(100, 1, (15, 20))
    apart = same + rng.normal(0, 10, (15, 1))
    widths = [
        quantiles(each.tolist(), rng)[50].interval.high - quantiles(each.tolist(), rng)[50].interval.low
        for each in (same, apart)
    ]
    assert widths[1] > 5 * widths[0]
