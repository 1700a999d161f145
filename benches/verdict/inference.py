"""What samples of two versions say: percentiles with intervals, the effect, and whether there is evidence for one.

A comparison is a number of epochs. In each, both versions are booted anew and sampled in turns, in an order that was drawn by
lot. The epoch is the unit of all inference here: samples of one boot resemble each other (they share a hash seed, a memory
layout, a neighbour on the machine), so that 300 of one boot are worth little more than one (Kalibera and Jones, "Rigorous
benchmarking in reasonable time", ISMM 2013). Drift of the machine from epoch to epoch hits both versions of an epoch, and
cancels in their ratio.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from series import SMALLEST_FOR_P99

Floats = npt.NDArray[np.float64]
Epochs = Sequence[Sequence[float]] | Floats
"""The samples of one version: in each epoch the same number of them."""

CONFIDENCE: Final = 0.95
"""Of every interval."""
RESAMPLES: Final = 2000
"""Of a bootstrap."""
EXACT_UP_TO: Final = 18
"""Epochs up to which every assignment of the labels is counted."""
MONTE_CARLO: Final = 100_000
"""Assignments that are drawn beyond that."""
FEWEST_EPOCHS: Final = 6
"""With fewer no interval of 95 % exists: 2 of 2^5 assignments are more than 5 %."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of plausible values."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quantile:
    """A percentile of one version, in the metric's unit, and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Effect:
    """How much more the second version takes than the first, as a share of the first: 0.05 is 5 % more."""

    share: float
    interval: Interval
    p_value: float


def percentile_ranks(count: int) -> tuple[int, ...]:
    """The percentiles that may be said of so many samples: no p99 of fewer than 100 (as `series`), no p95 of fewer than 20."""
    return (50,) + ((95,) if count >= 20 else ()) + ((99,) if count >= SMALLEST_FOR_P99 else ())


def quantiles(epochs: Epochs, rng: np.random.Generator) -> dict[int, Quantile]:
    """Percentiles of all samples by rank, each with its percentile bootstrap interval.

    Whole epochs are drawn with replacement, never single samples: those of one epoch depend on each other (the cluster
    bootstrap; Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8; Efron and Tibshirani, "An
    Introduction to the Bootstrap", 1993, section 13.3). Every epoch must have the same number of samples.
    """
    samples = np.asarray(epochs, dtype=np.float64)
    ranks = percentile_ranks(samples.size)
    chosen = rng.integers(len(samples), size=(RESAMPLES, len(samples)))
    drawn = np.sort(samples[chosen].reshape(RESAMPLES, -1), axis=1)
    ordered = np.sort(samples, axis=None)
    tail = (1 - CONFIDENCE) / 2
    found = {}
    for rank in ranks:
        nearest = math.ceil(rank / 100 * samples.size) - 1
        low, high = np.quantile(drawn[:, nearest], [tail, 1 - tail])
        found[rank] = Quantile(float(ordered[nearest]), Interval(float(low), float(high)))
    return found


def log_ratios(first: Epochs, second: Epochs, rank: float = 50) -> Floats:
    """For each epoch the logarithm of the second version's percentile over the first's. Raises ValueError for a value below 0."""
    below, above = (
        np.percentile(np.asarray(each, dtype=np.float64), rank, axis=1) for each in (first, second)
    )
    if below.min() <= 0 or above.min() <= 0:
        raise ValueError("a duration or a size of 0 or less cannot be compared as a ratio")
    return np.log(above / below)


def effect(first: Epochs, second: Epochs, rank: float = 50) -> Effect:
    """How the versions differ in a percentile: estimate, interval and p-value, all from the epochs' log ratios.

    The estimate is that of Hodges and Lehmann (1963), the median of the averages of all pairs of epochs, and the interval holds
    the values that the signed-rank test does not reject (Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 2014,
    sections 3.2 and 3.3). One epoch in which the machine was busy with something else moves neither far.
    """
    ratios = log_ratios(first, second, rank)
    if len(ratios) < FEWEST_EPOCHS:
        raise ValueError(
            f"{len(ratios)} epochs are too few for an interval of {CONFIDENCE:.0%}: take {FEWEST_EPOCHS} or more"
        )
    rows, columns = np.triu_indices(len(ratios))
    walsh = np.sort((ratios[rows] + ratios[columns]) / 2)
    cut = _cut(len(ratios))
    low, middle, high = np.expm1([walsh[cut], np.median(walsh), walsh[-1 - cut]])
    return Effect(float(middle), Interval(float(low), float(high)), permutation_p_value(ratios))


def permutation_p_value(ratios: Floats) -> float:
    """How likely ratios this far from 0 are when nothing but the labels tells the versions apart; two-sided.

    The labels of the versions are swapped within epochs, in all 2^n ways. That is exact, whatever the samples' distribution,
    drift and autocorrelation, because the labels *were* assigned within the epoch by lot (Fisher's randomisation test; Good,
    "Permutation, Parametric and Bootstrap Tests of Hypotheses", 2005, section 3.2; Firecracker's A/B tests ask the same question
    of whole blocks). The statistic is Wilcoxon's signed-rank sum, so that an outlier counts no more than its rank. Beyond
    `EXACT_UP_TO` epochs a fixed sample of assignments is counted instead, the observed one among them (Phipson and Smyth, 2010).
    """
    nonzero = ratios != 0
    if not nonzero.any():
        return 1.0
    ranks = _ranks(np.abs(ratios))[nonzero]
    observed = abs(float(np.sum(ranks * np.sign(ratios[nonzero]))))
    sums = _signed_sums(tuple(sorted(ranks.tolist())))
    as_far = int(np.count_nonzero(sums >= observed - 1e-9))
    if len(ranks) <= EXACT_UP_TO:
        return as_far / len(sums)
    return (as_far + 1) / (len(sums) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values, adjusted so that the chance of any false alarm among them all stays below the level they are compared with.

    Holm's step-down procedure (Holm, "A simple sequentially rejective multiple test procedure", 1979), valid however the tests
    depend on each other.
    """
    adjusted = [0.0] * len(p_values)
    so_far = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        so_far = max(so_far, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = so_far
    return adjusted


def epochs_for(hypotheses: int, level: float) -> int:
    """So many epochs that each of so many hypotheses can be rejected at a family's level even if not all epochs agree.

    n epochs give no p-value below 2 / 2^n, and Holm multiplies the smallest by the number of hypotheses. Two more let the
    smaller differences go the other way.
    """
    return max(FEWEST_EPOCHS, math.ceil(math.log2(2 * max(hypotheses, 1) / level)) + 2)


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the average of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Floats = (last - (counts - 1) / 2)[places]
    return shared


@functools.lru_cache(maxsize=64)
def _signed_sums(ranks: tuple[float, ...]) -> Floats:
    """The absolute sum of the ranks for every assignment of signs, or for a sample of assignments."""
    count = len(ranks)
    if count <= EXACT_UP_TO:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    else:
        bits = np.random.default_rng(count).integers(2, size=(MONTE_CARLO, count))
    sums: Floats = np.abs((2.0 * bits - 1.0) @ np.asarray(ranks))
    return sums


@functools.lru_cache(maxsize=64)
def _cut(epochs: int) -> int:
    """How many of the ordered pair averages lie outside of the interval on each side."""
    # The counts of subsets of the ranks 1..n by their sum are the coefficients of (1 + x)(1 + x^2)...(1 + x^n).
    counts = np.ones(1)
    for rank in range(1, epochs + 1):
        longer = np.zeros(len(counts) + rank)
        longer[: len(counts)] += counts
        longer[rank:] += counts
        counts = longer
    lower = np.cumsum(counts) / 2.0**epochs
    return int(np.count_nonzero(lower <= (1 - CONFIDENCE) / 2)) - 1
