"""What a run came to: for the terminal, for programs, for a CI job's page."""

import dataclasses
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from seatrial.failures.repro import python_version
from seatrial.results.reports import Counts, Duration, Failure, RunResult, State, slowest, write_atomically

from runner.campaign import Outcome

TIER: Final = "fuzz"
RAW: Final = "fuzz.json"
_HEAD: Final = ("target", "executions", "per s", "features", "new", "corpus", "private", "crasher")


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """The table: a line for each target, the totals last."""
    found = [
        (
            outcome.target,
            f"{outcome.statistics.executions:,}",
            f"{outcome.statistics.executions_per_s:,}",
            f"{outcome.statistics.features:,}",
            f"+{max(0, outcome.statistics.features - outcome.statistics.features_of_corpus):,}",
            f"{outcome.corpus:,}",
            f"{outcome.private:,}",
            verdict(outcome),
        )
        for outcome in outcomes
    ]
    numbers = [outcome.statistics for outcome in outcomes]
    red = sum(not outcome.green for outcome in outcomes)
    total = (
        f"{len(outcomes)} targets",
        f"{sum(each.executions for each in numbers):,}",
        "",
        f"{sum(each.features for each in numbers):,}",
        f"+{sum(max(0, each.features - each.features_of_corpus) for each in numbers):,}",
        f"{sum(outcome.corpus for outcome in outcomes):,}",
        f"{sum(outcome.private for outcome in outcomes):,}",
        f"{red}" if red else "none",
    )
    return [*found, total]


def verdict(outcome: Outcome) -> str:
    """The crasher's name, or why there was no run."""
    if outcome.regression is not None:
        return outcome.regression.file.name
    return outcome.fault.partition("\n")[0] if outcome.fault else "-"


def table(outcomes: Sequence[Outcome]) -> str:
    """For a terminal: names to the left, numbers to the right."""
    lines = [_HEAD, *rows(outcomes)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    text = []
    for line in lines:
        cells = [
            cell.ljust(width) if column in (0, len(_HEAD) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def markdown(outcomes: Sequence[Outcome]) -> str:
    """For a CI job's page."""
    marks = ("---", *["---:"] * (len(_HEAD) - 2), "---")
    lines = ["", *(f"| {' | '.join(line)} |" for line in (_HEAD, marks, *rows(outcomes))), ""]
    for outcome in outcomes:
        if outcome.regression is not None:
            lines += [
                f"`{outcome.regression.file.name}`",
                "",
                "```text",
                outcome.regression.message,
                "```",
                "",
            ]
    return "\n".join(lines) + "\n"


def raw(outcomes: Sequence[Outcome], root: Path) -> dict[str, Any]:
    """Every number, for programs."""
    return {
        "format": 1,
        "targets": [
            {
                "target": outcome.target,
                "seconds": round(outcome.seconds, 3),
                "corpus": outcome.corpus,
                "private": outcome.private,
                "kept": list(outcome.kept),
                "fault": outcome.fault,
                "crasher": str(outcome.regression.file.relative_to(root)) if outcome.regression else None,
                "message": outcome.regression.message if outcome.regression else None,
                **dataclasses.asdict(outcome.statistics),
            }
            for outcome in outcomes
        ],
    }


def result(
    outcomes: Sequence[Outcome],
    *,
    state: State,
    revision: str | None,
    reports: Path,
    seconds: float,
    budget_s: int,
    command: str,
) -> RunResult:
    """The tier's result: a target is a test."""
    finished = datetime.now(UTC)
    failures = tuple(
        Failure(
            nodeid=f"fuzz/targets/{outcome.target}.py",
            when="call",
            message=f"{verdict(outcome)}\n{outcome.regression.message}"
            if outcome.regression
            else outcome.fault,
            repro=f"nox -s integration_quick -- fuzz/targets/replay_test.py -k {outcome.regression.file.name}"
            if outcome.regression
            else f"nox -s fuzz -- {outcome.target}",
            artifacts=str(reports / TIER / outcome.target) if outcome.regression else None,
        )
        for outcome in outcomes
        if not outcome.green
    )
    return RunResult(
        tier=TIER,
        state=state,
        started_at=_text(finished - timedelta(seconds=seconds)),
        finished_at=None if state == "running" else _text(finished),
        duration_s=round(seconds, 3),
        budget_s=budget_s,
        counts=Counts(passed=len(outcomes) - len(failures), failed=len(failures)),
        failures=failures,
        slowest=slowest(
            Duration(nodeid=outcome.target, duration_s=round(outcome.seconds, 3)) for outcome in outcomes
        ),
        revision=revision,
        python=python_version(),
        command=command,
        pid=os.getpid(),
    )


def write_raw(outcomes: Sequence[Outcome], root: Path, reports: Path) -> None:
    """Write every number to `<reports>/fuzz/fuzz.json`."""
    write_atomically(reports / TIER / RAW, json.dumps(raw(outcomes, root), indent=2) + "\n")


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
