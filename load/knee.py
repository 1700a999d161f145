"""Where a ramp bends: the rate that is sustained, and the rate at which throughput saturates.

The *knee* is the highest offered rate that is sustained: it, and every rate below it, kept the objective (p99 and errors
within their bounds, throughput following the offered rate). It is one of the rates that were measured, and a decision.

*Saturation* is an estimate between them: achieved throughput as a function of the offered one is the identity up to a
capacity, and a straight line with another slope behind it. The two-phase regression with the least squared error says
where they meet (D. V. Hinkley: Inference in Two-Phase Regression. JASA 66, 1971). It was preferred to Kneedle (V. Satopää
et al.: Finding a "Kneedle" in a Haystack. ICDCSW 2011), whose knee is where a curve is farthest from its own chord: that
point moves with the rate at which somebody chose to end the ramp.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from plan import Objective
from step import Measured

_FEWEST: Final = 4
"""Steps of which a bend can be told from chance."""
_FEWEST_BEHIND: Final = 2
"""Steps that must lie behind the bend, or it is the end of the ramp that was found."""
_FLAT: Final = 0.7
"""Slopes below this are a bend: behind it, of ten more that are offered fewer than seven are done."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """The fitted bend."""

    rate: float
    """Actions a second: the capacity."""
    slope: float
    """Of the throughput behind the bend: 0 keeps its level, below 0 it falls while more is offered."""
    rms: float
    """Root of the mean squared distance of the measurements from the fit, actions a second."""

    def at(self, offered: float) -> float:
        """The fitted throughput."""
        return offered if offered <= self.rate else self.rate + self.slope * (offered - self.rate)


@dataclass(frozen=True, slots=True)
class Knee:
    """What a ramp has shown."""

    sustained: Measured | None
    """The step of the knee; None when even the first rate was too much."""
    broken: Measured | None
    """The first step that was not sustained; None when all were: then the knee lies higher."""
    saturation: Saturation | None
    """None when throughput followed the offered rate to the end, or the steps are too few to tell."""


def find(steps: Sequence[Measured], objective: Objective) -> Knee:
    """The knee of the ramp's complete steps, given in the order of their rates."""
    sustained = broken = None
    for step in steps:
        if step.misses(objective):
            broken = step
            break
        sustained = step
    offered = [step.offered for step in steps]
    achieved = [step.achieved for step in steps]
    return Knee(sustained, broken, saturation(offered, achieved))


def saturation(offered: Sequence[float], achieved: Sequence[float]) -> Saturation | None:
    """The bend of a throughput curve, or None when there is none; `offered` must rise."""
    if len(offered) < _FEWEST:
        return None
    x, y = np.asarray(offered, dtype=float), np.asarray(achieved, dtype=float)

    def lost(rate: float) -> float:
        return float(np.sum((y - _curve(x, rate, _slope(x, y, rate))) ** 2))

    # Between two neighbouring rates the error is smooth; over all of them it may have several minima.
    pieces = [
        minimize_scalar(lost, bounds=piece, method="bounded") for piece in pairwise(x[: 1 - _FEWEST_BEHIND])
    ]
    best = min(pieces, key=lambda found: found.fun)
    rate = float(best.x)
    slope = _slope(x, y, rate)
    if slope > _FLAT:
        return None
    return Saturation(rate, slope, float(np.sqrt(best.fun / len(x))))


def _slope(x: NDArray[np.float64], y: NDArray[np.float64], rate: float) -> float:
    """The best slope behind the bend at `rate`; 1 when nothing lies behind it."""
    beyond = np.maximum(0.0, x - rate)
    weight = float(np.sum(beyond**2))
    return float(np.sum(beyond * (y - rate)) / weight) if weight else 1.0


def _curve(x: NDArray[np.float64], rate: float, slope: float) -> NDArray[np.float64]:
    return np.where(x <= rate, x, rate + slope * (x - rate))
