"""What a probe came to: everything that a report tells, and what it is judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import knee as knees
from plan import Objective
from sampling import Sample
from step import Measured, complete
from words import EXECUTE, OK

State = Literal["passed", "failed", "interrupted"]
NO_ANSWER: Final = ("transport ", "no answer")
"""How outcomes begin of which the gateway may think otherwise: it answered, and nobody heard it."""


@dataclass
class Outcome:
    """Filled while the probe runs; complete or not, it can be reported."""

    scenario: str
    command: str
    seed: int
    objective: Objective
    target: str
    """What was loaded, in words."""
    facts: Mapping[str, str]
    """The machine, the versions, the settings: by name, in the order of the report."""
    started_at: str
    begin_unix_s: float
    """When the clock of the samples and steps began."""
    planned: int = 0
    """Steps of the whole ramp."""
    steps: list[Measured] = field(default_factory=list)
    samples: Sequence[Sample] = ()
    calls: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """Every call since the players were made, by request type, name and outcome, as the workers saw it."""
    counted: Mapping[tuple[str, str], int] | None = None
    """The same as the gateway counted it, by operation and code; None for a target whose metrics nobody reads."""
    breaches: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What is wrong; any of them makes the probe red."""
    interrupted: bool = False
    duration_s: float = 0.0

    @property
    def state(self) -> State:
        """Interrupted, else red or green."""
        if self.interrupted:
            return "interrupted"
        return "failed" if self.problems else "passed"

    @property
    def ramp(self) -> list[Measured]:
        """The ramp's steps that were measured to their end."""
        return complete(self.steps)

    @property
    def recovery(self) -> Measured | None:
        """The look back at the first rate."""
        return next((step for step in self.steps if step.step.recovery and not step.cut), None)

    @property
    def knee(self) -> knees.Knee:
        """What the ramp has shown."""
        return knees.find(self.ramp, self.objective)

    def add_totals(self, totals: Sequence[Mapping[str, Any]]) -> None:
        """Takes what the workers have seen since the beginning."""
        for each in totals:
            for kind, name, how, count in each["ever"]:
                key = (kind, name, how)
                self.calls[key] = self.calls.get(key, 0) + count
            self.breaches += each["breaches"]

    def judge(self) -> None:
        """Adds the problems that follow from what was measured."""
        self.problems += [f"contract breach: {breach}" for breach in self.breaches]
        if difference := self.difference:
            self.problems.append(difference)
        if self.interrupted:
            return
        if self.ramp and self.knee.sustained is None:
            first = self.ramp[0]
            why = "; ".join(first.misses(self.objective))
            self.problems.append(
                f"not even {first.step.rate:g}/s was sustained ({why}): begin lower with --from"
            )
        if self.recovery is not None and (misses := self.recovery.misses(self.objective)):
            self.problems.append(
                f"after the ramp {self.recovery.step.rate:g}/s was not sustained any more: {'; '.join(misses)}"
            )

    @property
    def difference(self) -> str | None:
        """How the workers' count of answered commands and the gateway's own differ; None when they agree."""
        if self.counted is None:
            return None
        seen = sum(n for (kind, _, how), n in self.calls.items() if kind == EXECUTE and how == OK)
        lost = sum(
            n for (kind, _, how), n in self.calls.items() if kind == EXECUTE and how.startswith(NO_ANSWER)
        )
        counted = self.counted.get((EXECUTE, "ok"), 0)
        # A call that its worker gave up, or that the end of the run cut off, may have been executed all the same.
        if seen <= counted <= seen + lost + self.unheard:
            return None
        return (
            f"the workers had {seen} commands answered (and {lost} without an answer), but the gateway counted"
            f" {counted}: one of them lies"
        )

    unheard: int = 0
    """Players at the end: each may have had one call under way that nobody heard the answer of."""

    @property
    def notes(self) -> list[str]:
        """What a reader must know of the figures."""
        found = []
        late = [f"{step.step.rate:g}/s" for step in self.steps if step.generator_late]
        if late:
            found.append(
                "the generator itself was late at "
                + ", ".join(late)
                + ": it had no core to itself. What is measured there is the machine they share; more workers on"
                " other machines (--expect-workers) tell the platform's own limit"
            )
        if self.ramp and self.knee.broken is None:
            found.append("every rate was sustained: the knee lies higher (raise --to)")
        if len(self.ramp) < self.planned and self.recovery is not None:
            found.append(f"the ramp ended after {len(self.ramp)} of {self.planned} steps, behind the knee")
        return found
