"""The verdict on each metric: faster, slower, or no evidence; and whether the changed version is within its budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from verdict import inference
from verdict.budgets import Budget
from verdict.catalog import Metric
from verdict.comparison import BASE, CHANGED, SIDES, Samples
from verdict.inference import Effect, Quantile

Verdict = Literal["faster", "slower", "no evidence", "failed", "refused"]

LEVEL: Final = 0.01
"""The chance of any false alarm in a comparison, over all that it tests."""


@dataclass(frozen=True, slots=True)
class Tested:
    """One percentile of one metric: what differs, how sure that is, and what it takes to be called a change."""

    rank: int
    effect: Effect
    adjusted: float
    """The p-value after Holm, over all percentiles of all metrics of the comparison."""
    least: float

    @property
    def verdict(self) -> Verdict:
        """Evidence takes both: a small p-value, and a difference that matters."""
        if self.adjusted > LEVEL or abs(self.effect.share) < self.least:
            return "no evidence"
        return "slower" if self.effect.share > 0 else "faster"


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one metric. For memory, `slower` means larger."""

    metric: Metric
    reason: str = ""
    """Why there are no figures: the metric failed, or was refused on this machine."""
    mandatory: bool = True
    """Whether a refusal is red here."""
    counts: Mapping[str, int] = field(default_factory=dict)
    quantiles: Mapping[str, Mapping[int, Quantile]] = field(default_factory=dict)
    tested: tuple[Tested, ...] = ()
    over_budget: tuple[str, ...] = ()
    refused: bool = False

    @property
    def verdict(self) -> Verdict:
        """A metric is slower when any of its percentiles is, whatever the others are."""
        if self.reason:
            return "refused" if self.refused else "failed"
        found = {each.verdict for each in self.tested}
        for verdict in ("slower", "faster"):
            if verdict in found:
                return verdict
        return "no evidence"

    @property
    def red(self) -> bool:
        """Whether the comparison fails for it."""
        if self.verdict == "refused":
            return self.mandatory
        return self.verdict in ("slower", "failed") or bool(self.over_budget)

    @property
    def decisive(self) -> Tested | None:
        """The percentile that made the verdict; the median where none did."""
        return next(
            (each for each in self.tested if each.verdict == self.verdict),
            self.tested[0] if self.tested else None,
        )


def refuse(metric: Metric, reason: str, *, mandatory: bool) -> Judged:
    """A metric that this machine cannot give."""
    return Judged(metric, reason=reason, mandatory=mandatory, refused=True)


def judge(
    samples: Samples, metrics: Sequence[Metric], budgets: Mapping[str, Budget], *, seed: int
) -> list[Judged]:
    """The verdict on each metric that was asked for, by the same samples and seed always the same."""
    rng = np.random.default_rng(seed)
    sound = [metric for metric in metrics if metric.name not in samples.failures]
    taken = {metric.name: {side: samples.epochs(metric.name, side) for side in SIDES} for metric in sound}
    effects = [
        (metric, rank, inference.effect(taken[metric.name][BASE], taken[metric.name][CHANGED], rank))
        for metric in sound
        for rank in metric.ranks
    ]
    adjusted = inference.holm([effect.p_value for _, _, effect in effects])
    tested: dict[str, list[Tested]] = {metric.name: [] for metric in sound}
    for (metric, rank, effect), p_value in zip(effects, adjusted, strict=True):
        tested[metric.name].append(Tested(rank, effect, p_value, metric.least_of(rank)))
    judged = []
    for metric in metrics:
        if metric.name in samples.failures:
            judged.append(Judged(metric, reason=samples.failures[metric.name]))
            continue
        sides = taken[metric.name]
        quantiles = {side: inference.quantiles(sides[side], rng) for side in SIDES}
        largest = max(value for epoch in sides[CHANGED] for value in epoch)
        judged.append(
            Judged(
                metric,
                counts={side: sum(map(len, sides[side])) for side in SIDES},
                quantiles=quantiles,
                tested=tuple(tested[metric.name]),
                over_budget=tuple(budgets[metric.name].misses(quantiles[CHANGED], largest)),
            )
        )
    return judged
