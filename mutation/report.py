"""What the gate came to: a table, a matrix of suites and services, and the result file that every tier has."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from gate import Verdict
from seatrial.results import reports, summary
from seatrial.results.reports import Counts, Duration, Failure, RunResult

TIER: Final = "mutation"
MUTANTS: Final = "mutants.json"
PAGE: Final = "mutants.md"
_WIDTH: Final = 110
_JOB_PAGE: Final = "GITHUB_STEP_SUMMARY"


def result_of(
    begun: RunResult, verdicts: Sequence[Verdict], *, finished_at: str, seconds: float
) -> RunResult:
    """The tier's result: a mutant that was killed has passed."""
    red = [verdict for verdict in verdicts if verdict.fate != "killed"]
    return dataclasses.replace(
        begun,
        state="failed" if red else "passed",
        finished_at=finished_at,
        duration_s=round(seconds, 3),
        counts=Counts(passed=len(verdicts) - len(red), failed=len(red)),
        failures=tuple(map(_failure, red)),
        slowest=reports.slowest(
            Duration(nodeid=verdict.mutant.id, duration_s=round(verdict.seconds, 3)) for verdict in verdicts
        ),
    )


def _failure(verdict: Verdict) -> Failure:
    return Failure(
        nodeid=f"mutation/mutants/{verdict.mutant.id}.patch",
        when="call",
        message=f"{verdict.fate}: {verdict.message}",
        repro=f"nox -s {TIER} -- {verdict.mutant.id}",
    )


def write(result: RunResult, verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write the result file, every mutant with what became of it as JSON, and the same as a page; tell the CI job's page."""
    reports.write(result, folder)
    documents = [_document(verdict) for verdict in verdicts]
    reports.write_atomically(folder / TIER / MUTANTS, json.dumps({"mutants": documents}, indent=2) + "\n")
    page = "\n".join(markdown(verdicts)) + "\n"
    reports.write_atomically(folder / TIER / PAGE, page)
    job = os.environ.get(_JOB_PAGE)
    if job:
        summary.add_to_job_page(result)
        with Path(job).open("a", encoding="utf-8") as file:
            file.write(page)


def _document(verdict: Verdict) -> dict[str, Any]:
    mutant = verdict.mutant
    return {
        "mutant": mutant.id,
        "service": mutant.service,
        "breaks": mutant.breaks,
        "promise": mutant.promise,
        "boundary": mutant.boundary,
        "fate": verdict.fate,
        "test": verdict.test,
        "suite": verdict.suite,
        "message": verdict.message,
        "seconds": round(verdict.seconds, 3),
    }


def matrix(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """Rows of cells: which suite killed how many mutants of which service; the first row and column are names."""
    killed = [verdict for verdict in verdicts if verdict.fate == "killed"]
    services = sorted({verdict.mutant.service for verdict in verdicts})
    counts = Counter((verdict.suite, verdict.mutant.service) for verdict in killed)
    rows = [["suite", *services, "killed"]]
    for suite in sorted({verdict.suite for verdict in killed}):
        row = [counts[suite, service] for service in services]
        rows.append([suite, *map(_number, row), str(sum(row))])
    total = [sum(each.mutant.service == service for each in killed) for service in services]
    given = [sum(each.mutant.service == service for each in verdicts) for service in services]
    rows.append(
        [
            "killed of all",
            *(f"{k}/{n}" for k, n in zip(total, given, strict=True)),
            f"{len(killed)}/{len(verdicts)}",
        ]
    )
    return rows


def _number(count: int) -> str:
    return str(count) if count else ""


def text(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The closing table and the matrix, for a terminal."""
    names = max(len(verdict.mutant.id) for verdict in verdicts)
    for verdict in verdicts:
        test = verdict.test.rpartition("::")[2] if verdict.fate == "killed" else verdict.fate.upper()
        yield f"{verdict.mutant.id:{names}}  {verdict.seconds:6.1f} s  {verdict.suite:22}  {test}"[
            : names + _WIDTH
        ]
    yield ""
    rows = matrix(verdicts)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        first, *rest = zip(row, widths, strict=True)
        yield "  ".join((first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)))
    for verdict in verdicts:
        if verdict.fate != "killed":
            yield f"\n{verdict.fate.upper()} {verdict.mutant.id}: {verdict.message}"


def markdown(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The same as a page."""
    rows = matrix(verdicts)
    yield "| " + " | ".join(rows[0]) + " |"
    yield "|---|" + "---:|" * (len(rows[0]) - 1)
    for row in rows[1:]:
        yield "| " + " | ".join(row) + " |"
    yield ""
    yield "| mutant | what it breaks | | killed by | suite | seconds |"
    yield "|---|---|---|---|---|---:|"
    for verdict in verdicts:
        by = f"`{verdict.test.rpartition('::')[2]}`" if verdict.fate == "killed" else _cell(verdict.message)
        cells = (
            verdict.mutant.id,
            _cell(verdict.mutant.breaks),
            verdict.fate,
            by,
            verdict.suite,
            f"{verdict.seconds:.1f}",
        )
        yield "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:300]
