"""`seatrial tiers` and `seatrial why`: what the last runs came to."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from seatrial import tier
from seatrial.cli.browse import open_page
from seatrial.cli.output import plain_table, seconds, styled
from seatrial.results.reports import Failure, RunResult, load, load_all

_STYLES = {"passed": "green", "failed": "red", "interrupted": "yellow", "killed": "red", "running": "cyan"}
_DETAILED = 5
_TIMELINE_PAGE = "timeline.html"
_LOG_LINES = 10


def show_tiers(tiers: tier.Tiers, reports: Path, console: Console) -> None:
    """The table of all tiers, with each one's last result."""
    table = plain_table(
        "tier", "trigger", "budget", "last result", "took", "passed", "failed", "skipped", "when", "purpose"
    )
    for each in tiers:
        result = load(reports, each.name)
        table.add_row(
            styled(each.name, "bold"),
            ", ".join(sorted(each.triggers)),
            tier.duration(each.budget),
            *(_outcome(result) if result is not None else ["never ran", *["-"] * 5]),
            styled(each.purpose, "dim"),
        )
    console.print(table)
    for each in tiers:
        result = load(reports, each.name)
        for skip in result.skips if result is not None else ():
            console.print(
                styled(
                    f"{each.name}: {skip.count} skipped for want of {skip.capability}: {skip.reason}",
                    "yellow",
                )
            )


def _outcome(result: RunResult) -> list[object]:
    counts = result.counts
    over = result.budget_s is not None and result.duration_s > result.budget_s
    return [
        styled(result.state, _STYLES[result.state]),
        styled(f"{seconds(result.duration_s)}{' (over budget)' if over else ''}", "yellow" if over else ""),
        str(counts.passed),
        styled(str(counts.failed), "red" if counts.failed else ""),
        styled(str(counts.skipped), "yellow" if counts.skipped else ""),
        _ago(result.finished_at or result.started_at),
    ]


def _ago(moment: str) -> str:
    try:
        since = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    except ValueError:
        return moment
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if since >= length:
            return f"{int(since // length)} {unit} ago"
    return "just now"


def show_failure(reports: Path, name: str | None, console: Console, *, open_pages: bool = True) -> bool:
    """Tell the story of the last failure, of one tier or of the newest failed one; whether there is one.

    The page of the first failure's timeline is opened, unless `open_pages` is false.
    """
    results = (
        load_all(reports)
        if name is None
        else [result for result in [load(reports, name)] if result is not None]
    )
    if not results:
        what = "any tier" if name is None else f"tier {name}"
        console.print(f"no result of {what} in {reports}: run it, then ask again")
        return False
    bad = [result for result in results if result.state not in ("passed", "running")]
    if not bad:
        console.print(
            "no failure on record:", ", ".join(f"{result.tier} {result.state}" for result in results)
        )
        return False
    _tell(bad[0], console, reports.parent, open_pages=open_pages)
    if others := [result.tier for result in bad[1:]]:
        console.print(styled(f"also not passed: {', '.join(others)} (seatrial why <tier>)", "yellow"))
    return True


def _tell(result: RunResult, console: Console, root: Path, *, open_pages: bool) -> None:
    counts = result.counts
    console.print(
        styled(result.tier, "bold"),
        styled(result.state, _STYLES[result.state]),
        f"{_ago(result.finished_at or result.started_at)}, after {seconds(result.duration_s)}:",
        f"{counts.failed} failed, {counts.passed} passed, {counts.skipped} skipped",
    )
    facts = {
        "revision": result.revision,
        "python": result.python,
        "seed": str(result.seed) if result.seed else "",
        "command": result.command,
    }
    console.print(styled(", ".join(f"{name} {value}" for name, value in facts.items() if value), "dim"))
    if result.state in ("killed", "interrupted"):
        console.print("The run did not come to its end: what follows is what it had found by then.")
    for problem in result.problems:
        console.print(styled(problem, "red"))
    for number, failure in enumerate(result.failures):
        if number < _DETAILED:
            _tell_failure(failure, console)
        else:
            console.print(styled(f"also failed: {failure.nodeid}", "red"))
        if failure.artifacts and (page := root / failure.artifacts / _TIMELINE_PAGE).is_file():
            open_page(page, console, wanted=open_pages)
            open_pages = False


def _tell_failure(failure: Failure, console: Console) -> None:
    console.print()
    console.print(styled(failure.nodeid, "bold red"), styled(f"({failure.when})", "dim"))
    console.print(styled(failure.message.rstrip(), ""))
    for process, lines in failure.logs.items():
        console.print(styled(f"last lines of {process}:", "bold"))
        for line in lines[-_LOG_LINES:]:
            console.print(styled(f"  {line}", "dim"))
    if failure.artifacts:
        console.print(styled("artifacts:", "bold"), failure.artifacts)
    console.print(styled("repeat it:", "bold"), styled(failure.repro, ""))
