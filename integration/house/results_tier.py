"""A tier's own result: what all its runs came to together, judged as a whole and shown as one table.

Each run keeps a result file of its own in `reports/<tier>/`. The tier's own is one more, `result-tier.json`: its time, and
what is wrong with it as a whole. `seatrial.results.reports.load` adds all of them up.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from house import results
from seatrial.results import reports, summary
from seatrial.results.reports import RunResult
from seatrial.tier import Tier

OWN: Final = "tier"
"""The run that stands for the tier itself among its result files."""
_PAGES: Final = ("*.html", "*.md", "*.png")


class TierFault(Exception):
    """A tier is red as a whole, although none of its runs said so."""


@contextmanager
def closing(root: Path, tier: Tier, arguments: Sequence[str] = ()) -> Iterator[None]:
    """Run a tier in this block: its earlier results are forgotten, and it ends with its table, whatever ends it.

    Raises TierFault when every run was content and the whole is not: a run left no result, or too many tests were skipped.
    """
    folder = root / results.REPORTS / tier.name
    _forget(folder)
    started, begun = time.monotonic(), time.time()
    own = replace(
        results.result(root, tier.name, "running", 0.0, command=" ".join(["nox -s", tier.name, *arguments])),
        budget_s=tier.budget,
        skip_budget=tier.skips,
        artifacts=str(folder.relative_to(root)),
    )
    results.save(root, own, OWN)
    ended: BaseException | None = None
    try:
        yield
    except BaseException as error:
        ended = error
        raise
    finally:
        own = replace(own, duration_s=round(time.monotonic() - started, 3))
        problems = _close(root, own, ended)
        _show(root, tier, begun)
    if problems:
        raise TierFault("; ".join(problems))


def _forget(folder: Path) -> None:
    """Remove what earlier runs of the tier left, so that the next results stand for themselves."""
    for file in (folder / reports.RESULT_FILE, *folder.glob("result-*.json"), *folder.glob("coverage*")):
        file.unlink(missing_ok=True)


def _close(root: Path, own: RunResult, ended: BaseException | None) -> list[str]:
    """Judge the runs and write the tier's own result; answers what is wrong with the tier as a whole."""
    interrupted = isinstance(ended, KeyboardInterrupt)
    found, problems = _finished(root, own.tier, interrupted=interrupted)
    skipped = sum(result.counts.skipped for result in found)
    if own.skip_budget is not None and skipped > own.skip_budget and not _judged(found):
        problems.append(
            f"{skipped} tests were skipped, tier {own.tier} allows {own.skip_budget} "
            "(provide what they miss, or change skips in tiers.toml)"
        )
    # What ended the tier is told by its runs, if they got so far
    if ended and not interrupted and not problems and all(result.state == "passed" for result in found):
        problems.append(str(ended) or type(ended).__name__)
    state: reports.State = "interrupted" if interrupted else "failed" if problems or ended else "passed"
    now = results.result(root, own.tier, state, 0.0).finished_at
    results.save(root, replace(own, state=state, finished_at=now, problems=tuple(problems)), OWN)
    return problems


def _finished(root: Path, tier: str, *, interrupted: bool) -> tuple[list[RunResult], list[str]]:
    """The results of the tier's runs, and what is wrong with the others; those that Ctrl-C ended are forgotten."""
    folder = root / results.REPORTS / tier
    found: list[RunResult] = []
    problems: list[str] = []
    for path in (folder / reports.RESULT_FILE, *sorted(folder.glob("result-*.json"))):
        run = path.stem.removeprefix("result").removeprefix("-") or None
        if run == OWN or not path.exists():
            continue
        try:
            result = reports.read(path)
        except reports.ReportError as error:
            problems.append(str(error))
            path.replace(path.with_suffix(".unreadable"))
            continue
        if result.state == "running":
            results.withdraw(root, tier, run)
            problems += [] if interrupted else [f"{run or tier}: left no result"]
            continue
        found.append(result)
        if result.state == "killed":
            problems.append(f"{run or tier}: was killed before its end")
    return found, problems


def _judged(found: Sequence[RunResult]) -> bool:
    """Whether a run has held its skips against itself already."""
    return any(
        result.skip_budget is not None and result.counts.skipped > result.skip_budget for result in found
    )


def _show(root: Path, tier: Tier, begun: float) -> None:
    """The tier's table, on the terminal and on a CI job's page."""
    folder = root / results.REPORTS / tier.name
    whole = reports.load(root / results.REPORTS, tier.name)
    if whole is None:  # its own result was written a moment ago
        raise TierFault(f"{folder}: somebody removed the tier's results while it ran")
    pages = [path for pattern in _PAGES for path in sorted(folder.glob(pattern))]
    places = [f"{folder.relative_to(root)}/"]
    places += [str(path.relative_to(root)) for path in pages if path.stat().st_mtime >= begun]
    width = summary.columns()
    sys.stdout.write(f"\n{f' {tier.name}: {whole.state} ':=^{width}}\n")
    sys.stdout.write(f"{summary.text(whole, places, width=width)}\n{'=' * width}\n\n")
    sys.stdout.flush()
    summary.add_to_job_page(whole, places)
