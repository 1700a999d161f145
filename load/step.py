"""What a step was like: its figures, from what the workers reported."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from histogram import Histogram
from plan import FEWEST_FOR_P99, Objective, Step

RANKS: Final = (50.0, 90.0, 95.0, 99.0)
_LEAST_BEHIND: Final = 10.0
"""Arrivals that may be late for chance's sake, whatever the rate."""
GENERATOR_LATENESS_MS: Final = 25.0
"""When the p99 of the arrivals' own lateness is above this, the generator did not offer what it should have."""


@dataclass(frozen=True)
class Measured:
    """One step, all workers together."""

    step: Step
    measured_s: float
    due: int
    """Actions that fell due in the measured time."""
    done: int
    """Actions that ended well in it."""
    failures: Mapping[str, int]
    """Of those due, by outcome."""
    response: Histogram = field(repr=False)
    """From due to done."""
    service: Histogram = field(repr=False)
    """From begun to done."""
    lateness: Histogram = field(repr=False)
    """From due to offered to the players: the generator's own."""
    calls: Mapping[str, Histogram] = field(repr=False)
    """Each call by its name, from begun to done."""
    call_outcomes: Sequence[tuple[str, str, int]]
    workers: int
    began_s: float = 0.0
    """When the measured time began, in seconds of the run's clock."""
    cut: bool = False
    """Whether it was ended early."""

    @classmethod
    def of(
        cls, step: Step, reports: Sequence[Mapping[str, Any]], *, began_s: float = 0.0, cut: bool = False
    ) -> Self:
        """The sum of the workers' reports."""
        failures: Counter[str] = Counter()
        outcomes: Counter[tuple[str, str]] = Counter()
        for report in reports:
            failures.update(report["failures"])
            for name, how, count in report["call_outcomes"]:
                outcomes[name, how] += count
        names = sorted({name for report in reports for name in report["calls"]})
        return cls(
            step=step,
            measured_s=max((report["measured_s"] for report in reports), default=0.0),
            due=sum(report["due"] for report in reports),
            done=sum(report["done"] for report in reports),
            failures=dict(failures.most_common()),
            response=Histogram.total(report["response"] for report in reports),
            service=Histogram.total(report["service"] for report in reports),
            lateness=Histogram.total(report["lateness"] for report in reports),
            calls={
                name: Histogram.total(r["calls"][name] for r in reports if name in r["calls"])
                for name in names
            },
            call_outcomes=[(name, how, count) for (name, how), count in sorted(outcomes.items())],
            workers=len(reports),
            began_s=began_s,
            cut=cut,
        )

    @property
    def offered(self) -> float:
        """Actions a second that fell due."""
        return self.due / self.measured_s if self.measured_s else 0.0

    @property
    def achieved(self) -> float:
        """Actions a second that were done."""
        return self.done / self.measured_s if self.measured_s else 0.0

    @property
    def error_share(self) -> float:
        """Failed actions of those due, 0 to 1."""
        return sum(self.failures.values()) / self.due if self.due else 0.0

    def percentile(self, rank: float, of: Histogram | None = None) -> float | None:
        """Of the response times, or of other durations, in ms; None where there are too few samples for it."""
        durations = self.response if of is None else of
        fewest = FEWEST_FOR_P99 if rank >= 99 else 1
        return durations.percentile(rank) if len(durations) >= fewest else None

    @property
    def generator_late(self) -> bool:
        """Whether the workers could not keep up with their own arrivals."""
        return len(self.lateness) > 0 and self.lateness.percentile(99.0) > GENERATOR_LATENESS_MS

    def misses(self, objective: Objective) -> list[str]:
        """How it falls short of the objective, in words; empty when it is sustained."""
        found = []
        p99 = self.percentile(99.0)
        if p99 is None:
            found.append(f"{len(self.response)} samples are too few for a p99")
        elif p99 > objective.p99_ms:
            found.append(f"p99 {p99:.0f} ms > {objective.p99_ms:g}")
        if self.error_share > objective.error_share:
            found.append(f"errors {self.error_share:.1%} > {objective.error_share:.1%}")
        if self.done < objective.follow * self.due - _LEAST_BEHIND:
            found.append(f"throughput {self.done / self.due:.0%} of what was offered")
        return found

    def row(self, objective: Objective) -> dict[str, Any]:
        """The figures as plain data, without histograms."""
        return {
            "step": self.step.index + 1,
            "kind": "recovery" if self.step.recovery else "ramp",
            "rate_per_s": round(self.step.rate, 3),
            "offered_per_s": round(self.offered, 3),
            "achieved_per_s": round(self.achieved, 3),
            "samples": len(self.response),
            "due": self.due,
            "done": self.done,
            "failed": sum(self.failures.values()),
            "error_share": round(self.error_share, 6),
            **{f"p{rank:g}_ms": self.percentile(rank) for rank in RANKS},
            "max_ms": self.response.largest if len(self.response) else None,
            "service_p99_ms": self.percentile(99.0, self.service),
            "generator_lateness_p99_ms": self.percentile(99.0, self.lateness),
            "measured_s": round(self.measured_s, 3),
            "began_s": round(self.began_s, 3),
            "workers": self.workers,
            "cut": self.cut,
            "sustained": not self.cut and not self.misses(objective),
        }


def complete(steps: Iterable[Measured]) -> list[Measured]:
    """The steps of the ramp that were measured to their end."""
    return [measured for measured in steps if not measured.cut and not measured.step.recovery]
