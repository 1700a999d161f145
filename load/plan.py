"""The ramp: which arrival rates are offered, for how long, and what an answer must be like to count."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mistake import Mistake

MOST_RATE: Final = 10_000.0
"""Arrivals a second, all workers together."""
MOST_USERS: Final = 5_000
MOST_STEPS: Final = 50
MOST_SECONDS: Final = 3_600.0
"""Of a whole ramp."""
DRAIN_S: Final = 5.0
"""How long a step waits at most for the answers to what it sent, before the next one begins."""
FEWEST_FOR_P99: Final = 100
"""A p99 of fewer samples is the largest or second largest of them, and says nothing; it is refused."""
_ENOUGH: Final = 1.5
"""Arrivals come at random: so many times the fewest must be expected of a step."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rate that is offered: `warm_up_s` seconds that do not count, then `measure_s` that do."""

    index: int
    rate: float
    """Arrivals a second, all workers together."""
    warm_up_s: float
    measure_s: float
    recovery: bool = False
    """Whether this is the look back at the first rate after the ramp."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What a step must keep to be *sustained*: all three."""

    p99_ms: float = 250.0
    """At most, from when an action was due to when it was done."""
    error_share: float = 0.01
    """Failed actions of those due, at most."""
    follow: float = 0.95
    """Actions done in the measured time of those due in it, at least: throughput follows the offered rate."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a ramp, upwards, and the one after it."""

    steps: tuple[Step, ...]
    recovery: Step
    objective: Objective
    beyond: int
    """So many steps in a row out of the objective end the ramp."""

    @property
    def longest_s(self) -> float:
        """Seconds that all of it can take, drains included."""
        return sum(s.warm_up_s + s.measure_s + DRAIN_S for s in (*self.steps, self.recovery))


def rates(first: float, last: float, count: int) -> list[float]:
    """`count` rates from `first` to `last` at equal distances; raises Mistake for what is no ramp."""
    for name, rate in (("--from", first), ("--to", last)):
        if not 0 < rate <= MOST_RATE:
            raise Mistake(f"{name} {rate:g}: a rate is above 0 and at most {MOST_RATE:g} a second")
    if not 1 <= count <= MOST_STEPS:
        raise Mistake(f"--steps {count}: give 1 to {MOST_STEPS}")
    if last < first or (count > 1 and last == first):
        raise Mistake(f"--to {last:g} is not above --from {first:g}: a ramp goes up (swap them)")
    if count == 1 and last != first:
        raise Mistake(f"--steps 1 goes nowhere from {first:g} to {last:g} (give more steps, or one rate)")
    return [first + (last - first) * i / max(1, count - 1) for i in range(count)]


def ramp(
    offered: Sequence[float], *, warm_up_s: float, measure_s: float, objective: Objective, beyond: int
) -> Plan:
    """A plan of these rates; raises Mistake for one that cannot be measured or takes too long."""
    if not (math.isfinite(warm_up_s) and 0 <= warm_up_s <= 60):
        raise Mistake(f"--warm-up {warm_up_s:g}: give 0 to 60 seconds")
    if not (math.isfinite(measure_s) and 1 <= measure_s <= 300):
        raise Mistake(f"--measure {measure_s:g}: give 1 to 300 seconds")
    if not 0 < objective.p99_ms <= 60_000:
        raise Mistake(f"--p99-ms {objective.p99_ms:g}: give more than 0 and at most 60000")
    for name, share in (("--max-errors", objective.error_share), ("--follow", objective.follow)):
        if not 0 <= share <= 1:
            raise Mistake(f"{name} {share:g}: a share is between 0 and 1")
    if not 1 <= beyond <= MOST_STEPS:
        raise Mistake(f"--beyond {beyond}: give 1 to {MOST_STEPS} steps")
    if offered[0] * measure_s < _ENOUGH * FEWEST_FOR_P99:
        raise Mistake(
            f"--from {offered[0]:g} for --measure {measure_s:g} s: some {offered[0] * measure_s:.0f} samples, and a p99 of"
            f" fewer than {FEWEST_FOR_P99} is refused (measure {_ENOUGH * FEWEST_FOR_P99 / offered[0]:.0f} s, or begin higher)"
        )
    steps = tuple(Step(index, rate, warm_up_s, measure_s) for index, rate in enumerate(offered))
    last = Step(len(steps), offered[0], warm_up_s, measure_s, recovery=True)
    plan = Plan(steps, last, objective, beyond)
    if plan.longest_s > MOST_SECONDS:
        raise Mistake(
            f"the ramp could take {plan.longest_s:.0f} s, more than {MOST_SECONDS:.0f} (fewer --steps, or shorter ones)"
        )
    return plan
