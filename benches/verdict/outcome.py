"""The result of the tier: what `seatrial tiers` and `seatrial why` know of a comparison."""

import os
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from seatrial.failures import repro
from seatrial.results import reports
from seatrial.results.reports import Counts, Failure, RunResult, SkipCount, State
from verdict.judgement import Judged
from verdict.report import verdict_words

TIER: Final = "bench"
PROGRAM: Final = "benches/compare.py"


def command(arguments: Sequence[str]) -> str:
    """The shell line that runs this comparison again."""
    return shlex.join(["nox", "-s", TIER, "--", *arguments])


def of_judged(
    judged: Sequence[Judged], repeat: str, artifacts: str
) -> tuple[Counts, tuple[Failure, ...], tuple[SkipCount, ...]]:
    """Metrics as tests: red ones failed, those that this machine may lack were skipped."""
    failures = tuple(
        Failure(
            nodeid=f"{PROGRAM}::{each.metric.name}",
            when="call",
            message=f"{each.metric.title}: {verdict_words(each)}",
            repro=repeat,
            artifacts=artifacts,
        )
        for each in judged
        if each.red
    )
    skipped = [each for each in judged if each.verdict == "refused" and not each.red]
    skips = tuple(
        SkipCount(
            capability=each.metric.capability or "", reason=f"{each.metric.name}: {each.reason}", count=1
        )
        for each in skipped
    )
    passed = len(judged) - len(failures) - len(skipped)
    return Counts(passed=passed, failed=len(failures), skipped=len(skipped)), failures, skips


def save(
    root: Path,
    state: State,
    seconds: float,
    *,
    arguments: Sequence[str],
    seed: int,
    artifacts: Path,
    judged: Sequence[Judged] = (),
    problems: Sequence[str] = (),
    counts: Counts | None = None,
) -> RunResult:
    """Write reports/bench/result.json; answers what was written. `counts` stand for themselves where there are no metrics."""
    finished = datetime.now(UTC)
    repeat = command(arguments)
    shown = str(artifacts.relative_to(root)) if artifacts.is_relative_to(root) else str(artifacts)
    counted, failures, skips = of_judged(judged, repeat, shown)
    result = RunResult(
        tier=TIER,
        state=state,
        started_at=_text(finished - timedelta(seconds=seconds)),
        finished_at=_text(finished),
        duration_s=round(seconds, 3),
        counts=counts or counted,
        failures=failures,
        skips=skips,
        problems=tuple(problems),
        seed=seed,
        revision=repro.revision(root),
        python=repro.python_version(),
        command=repeat,
        artifacts=shown,
        pid=os.getpid(),
    )
    reports.write(result, root / "reports")
    return result


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
