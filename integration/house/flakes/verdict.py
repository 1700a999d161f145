"""What the runs of the modules come to: what failed in which of them, how it is repeated, and the table at the end."""

import dataclasses
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from house.flakes.beside import Outcome, last_lines
from house.flakes.modules import Module
from seatrial.results.reports import Counts, Duration, Failure, slowest
from seatrial.rules.quarantine import Quarantines

COMMAND: Final = "make flakes"
_LINES: Final = 20


@dataclass(slots=True)
class Tried:
    """A module and what became of its runs."""

    module: Module
    wanted: int
    """How many runs it is to have."""
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome]:
        """The runs that something is held against, in the order of their numbers."""
        failed = [outcome for outcome in self.outcomes if not outcome.passed]
        return sorted(failed, key=lambda outcome: outcome.attempt.number)

    @property
    def complete(self) -> bool:
        """Whether it had all its runs."""
        return len(self.outcomes) == self.wanted

    @property
    def seconds(self) -> list[float]:
        """How long each run took."""
        return [outcome.seconds for outcome in self.outcomes]


@dataclass(frozen=True, slots=True)
class Repetition:
    """How failures are repeated."""

    environment: Mapping[str, str]
    """Of the runs."""
    more: Mapping[str, str]
    """What of it is made for them."""
    seed: int
    """The gate's own."""
    times: int
    beside: int

    def beside_itself(self, module: Module) -> str:
        """The line that repeats all runs of a module, with their seeds."""
        arguments = f"--seed {self.seed} --times {self.times} --beside {self.beside} {module}"
        return f"{COMMAND} ARGS={shlex.quote(arguments)}"


def failures(tried: Tried, quarantines: Quarantines, repetition: Repetition) -> list[Failure]:
    """One failure for each test that failed in any run: of the first such run, with the numbers and seeds of all."""
    found: dict[str, list[tuple[Outcome, Failure]]] = {}
    for outcome in tried.failed:
        for failure in _of_run(outcome, quarantines):
            seen = found.setdefault(failure.nodeid, [])
            if outcome not in [other for other, _ in seen]:
                seen.append((outcome, failure))
    return [_as_one(tried, seen, repetition) for seen in found.values()]


def _of_run(outcome: Outcome, quarantines: Quarantines) -> Iterator[Failure]:
    """What is held against a run that did not pass; something always is."""
    attempt, result = outcome.attempt, outcome.result
    said = [each for each in result.failures if quarantines.of(each.nodeid) is None] if result else []
    yield from said
    problems = list(result.problems) if result else []
    if problems or not said:
        ended = f"pytest ended with {outcome.status}" + (
            f", {result.state}" if result else ", without a result"
        )
        yield Failure(
            nodeid=str(attempt.module),
            when="run",
            message="\n".join([*problems, ended]),
            repro="",
            artifacts=None,
            logs={"pytest": last_lines(attempt, _LINES)},
        )


def _as_one(tried: Tried, seen: Sequence[tuple[Outcome, Failure]], repetition: Repetition) -> Failure:
    outcome, failure = seen[0]
    runs = ", ".join(f"run {other.attempt.number} (seed {other.attempt.seed})" for other, _ in seen)
    return dataclasses.replace(
        failure,
        message=f"in {len(seen)} of {len(tried.outcomes)} runs: {runs}\n{failure.message}\n\n"
        f"All runs again, beside themselves: {repetition.beside_itself(tried.module)}",
        repro=outcome.attempt.repeat(repetition.environment, repetition.more),
        artifacts=failure.artifacts or str(outcome.attempt.folder),
    )


def told(tried: Tried, found: Sequence[Failure], repetition: Repetition) -> str:
    """The failures of a module for a person who watches; what they have in common is said once."""
    lines = []
    for failure in found:
        first, *message = failure.message.partition("\n\nAll runs again")[0].splitlines()
        lines.append(f"FAILED {failure.nodeid} ({failure.when}) {first}")
        lines += [f"    {line}" for line in message[:_LINES]]
        lines += [
            f"    the first of them again, alone: {failure.repro}",
            f"    artifacts: {failure.artifacts}",
        ]
    if found:
        lines.append(f"All runs again, beside themselves: {repetition.beside_itself(tried.module)}")
    return "\n".join(lines)


def counts(all_tried: Iterable[Tried]) -> Counts:
    """Runs by outcome; in quarantine are those that passed although a test in quarantine failed."""
    outcomes = [outcome for tried in all_tried for outcome in tried.outcomes]
    passed = [outcome for outcome in outcomes if outcome.passed]
    tolerated = sum(
        outcome.result is not None and outcome.result.counts.quarantined > 0 for outcome in passed
    )
    return Counts(passed=len(passed) - tolerated, failed=len(outcomes) - len(passed), quarantined=tolerated)


def longest(all_tried: Iterable[Tried]) -> tuple[Duration, ...]:
    """The modules with the longest runs."""
    return slowest(
        Duration(nodeid=str(tried.module), duration_s=round(max(tried.seconds), 3))
        for tried in all_tried
        if tried.outcomes
    )


def too_few(all_tried: Sequence[Tried], minutes: float) -> str | None:
    """What is wrong when the time was up before every module had its runs."""
    short = [tried for tried in all_tried if not tried.complete]
    if not short:
        return None
    names = " ".join(str(tried.module) for tried in short)
    more = f"{COMMAND} ARGS={shlex.quote(f'--minutes {4 * minutes:g} {names}')}"
    return (
        f"{len(short)} of {len(all_tried)} modules did not get their {short[0].wanted} runs in {minutes:g} min"
        f" (by hand: {more})"
    )


def table(all_tried: Sequence[Tried]) -> list[tuple[str, ...]]:
    """The closing table, its heading first: module, runs, failed, and how long a run took."""
    rows: list[tuple[str, ...]] = [("module", "runs", "failed", "p50", "max")]
    for tried in all_tried:
        runs = str(len(tried.outcomes)) if tried.complete else f"{len(tried.outcomes)} of {tried.wanted}"
        times = [f"{of(tried.seconds):.1f} s" if tried.outcomes else "-" for of in (median, max)]
        rows.append((str(tried.module), runs, str(len(tried.failed)), *times))
    return rows


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """A table for a terminal: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The same for a CI job's page."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" + "|--:" * (len(rows[0]) - 1) + "|", *body])
