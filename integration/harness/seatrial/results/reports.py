"""Reports: what a run came to, as one small JSON document per tier.

A run announces itself with state `running` and replaces that by its outcome, both atomically, so a
reader never sees half a document and can tell a run that was killed from one that never was.
A tier that consists of several pytest runs has one document for each; `load` adds them up.
"""

import dataclasses
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

State = Literal["running", "passed", "failed", "interrupted", "killed"]
RESULT_FILE: Final = "result.json"
SLOWEST: Final = 5
LOCAL_TIER: Final = "local"
_FORMAT: Final = 1
_Number = TypeVar("_Number", int, float)
_WORST_FIRST: Final[tuple[State, ...]] = ("killed", "interrupted", "failed", "running", "passed")


class ReportError(Exception):
    """A result file that cannot be read; names the file and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A test that failed, with all that is needed to understand it without running it again."""

    nodeid: str
    when: str
    """`collect`, `setup`, `call`, `teardown`, or `crash` when the process of the test died."""
    message: str
    repro: str
    """The command that runs this test alone, in the same way."""
    artifacts: str | None = None
    """The directory of its logs and timeline."""
    logs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The last lines of each process's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipCount:
    """How many tests were skipped for one reason."""

    capability: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """How long a test took, set-up and teardown included, in seconds."""

    nodeid: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Tests by outcome. A test counts once: a failed teardown makes it failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    xfailed: int = 0
    quarantined: int = 0
    """Failed, but known to and not held against the run until a date."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.passed + self.failed + self.skipped + self.xfailed + self.quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a run of a tier came to."""

    tier: str
    state: State
    started_at: str
    """RFC 3339, UTC."""
    finished_at: str | None = None
    duration_s: float = 0.0
    budget_s: float | None = None
    """How long the tier may take, in seconds."""
    skip_budget: int | None = None
    counts: Counts = Counts()
    skips: tuple[SkipCount, ...] = ()
    failures: tuple[Failure, ...] = ()
    slowest: tuple[Duration, ...] = ()
    problems: tuple[str, ...] = ()
    """What is wrong with the run as a whole."""
    seed: int = 0
    revision: str | None = None
    """The checkout's git commit, with `+` behind it for uncommitted changes."""
    python: str = ""
    command: str = ""
    artifacts: str = ""
    pid: int = 0


def path_of(reports: Path, tier: str, run: str | None = None) -> Path:
    """The result file of a tier, or of one of the runs that it consists of."""
    return reports / tier / (f"result-{run}.json" if run else RESULT_FILE)


def write(result: RunResult, reports: Path, run: str | None = None) -> Path:
    """Write a result in one atomic step."""
    path = path_of(reports, result.tier, run)
    write_atomically(path, json.dumps({"format": _FORMAT, **dataclasses.asdict(result)}, indent=2) + "\n")
    return path


def write_atomically(path: Path, text: str) -> None:
    """Replace a file as a whole; a reader sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def load(reports: Path, tier: str) -> RunResult | None:
    """The last result of a tier, of all its runs together; None when it never ran. Raises ReportError."""
    files = (path_of(reports, tier), *sorted((reports / tier).glob("result-*.json")))
    results = [read(path) for path in files if path.exists()]
    return merge(results) if results else None


def load_all(reports: Path) -> list[RunResult]:
    """The last result of every tier, the newest first; raises ReportError."""
    tiers = sorted(path.name for path in reports.iterdir() if path.is_dir()) if reports.is_dir() else []
    results = [result for tier in tiers if (result := load(reports, tier)) is not None]
    return sorted(results, key=lambda result: result.started_at, reverse=True)


def read(path: Path) -> RunResult:
    """One result file; raises ReportError."""
    try:
        result = _result(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReportError(f"{path}: not a result file: {error} (delete it and run the tier again)") from error
    if result.state == "running" and not _alive(result.pid):
        return dataclasses.replace(result, state="killed")
    return result


def merge(results: Sequence[RunResult]) -> RunResult:
    """Several runs of one tier as one result: counts add up, the worst state wins.

    The time is that in which any of them ran: what ran side by side counts once, and a pause between two not at all.
    """
    first = min(results, key=lambda result: result.started_at)
    if len(results) == 1:
        return first
    skips: Counter[tuple[str, str]] = Counter()
    for result in results:
        for skip in result.skips:
            skips[skip.capability, skip.reason] += skip.count
    finished = [result.finished_at for result in results if result.finished_at]
    state = next(state for state in _WORST_FIRST if any(r.state == state for r in results))
    return dataclasses.replace(
        first,
        state=state,
        finished_at=max(finished, default=None),
        duration_s=_covered_s(results),
        budget_s=_first_of(result.budget_s for result in results),
        skip_budget=_first_of(result.skip_budget for result in results),
        counts=Counts(
            **{
                name: sum(getattr(result.counts, name) for result in results)
                for name in (f.name for f in dataclasses.fields(Counts))
            }
        ),
        skips=skip_counts(skips),
        failures=tuple(failure for result in results for failure in result.failures),
        slowest=slowest(duration for result in results for duration in result.slowest),
        problems=tuple(problem for result in results for problem in result.problems),
        # A number that repeats only one of them repeats nothing
        seed=first.seed if len({result.seed for result in results}) == 1 else 0,
        command=" && ".join(dict.fromkeys(filter(None, (result.command for result in results)))),
    )


def _first_of(numbers: Iterable[_Number | None]) -> _Number | None:
    return next((number for number in numbers if number is not None), None)


def _covered_s(results: Iterable[RunResult]) -> float:
    """How long at least one of several runs was at work, in seconds."""
    covered, until = 0.0, float("-inf")
    begun = ((datetime.fromisoformat(result.started_at).timestamp(), result) for result in results)
    for start, result in sorted(begun, key=lambda pair: pair[0]):
        end = start + result.duration_s
        covered += max(0.0, end - max(start, until))
        until = max(until, end)
    return round(covered, 3)


def skip_counts(skips: Mapping[tuple[str, str], int]) -> tuple[SkipCount, ...]:
    """Counts by (capability, reason), the most frequent first."""
    ordered = sorted(skips.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(SkipCount(capability=c, reason=r, count=n) for (c, r), n in ordered)


def slowest(durations: Iterable[Duration]) -> tuple[Duration, ...]:
    """The few longest ones, the longest first."""
    return tuple(sorted(durations, key=lambda one: (-one.duration_s, one.nodeid))[:SLOWEST])


def _result(document: dict[str, Any]) -> RunResult:
    if document.pop("format") != _FORMAT:
        raise ValueError("written by another version")
    datetime.fromisoformat(document["started_at"])
    return RunResult(
        **{
            **document,
            "counts": Counts(**document["counts"]),
            "skips": tuple(SkipCount(**skip) for skip in document["skips"]),
            "failures": tuple(Failure(**failure) for failure in document["failures"]),
            "slowest": tuple(Duration(**duration) for duration in document["slowest"]),
            "problems": tuple(document["problems"]),
        }
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
