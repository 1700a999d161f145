"""Summary: what a run came to, on one screen, for the terminal and for a CI job's page."""

from collections.abc import Iterator
from pathlib import Path

from seatrial.results.reports import RunResult


def lines(result: RunResult) -> Iterator[tuple[str, str]]:
    """The closing table as pairs of a label and a text."""
    counts = result.counts
    parts = [f"{counts.passed} passed", f"{counts.failed} failed", f"{counts.skipped} skipped"]
    parts += [
        f"{n} {what}" for n, what in ((counts.xfailed, "xfailed"), (counts.quarantined, "quarantined")) if n
    ]
    yield "state", result.state.upper() if result.state != "passed" else "passed"
    yield "tests", ", ".join(parts)
    for skip in result.skips:
        yield "skipped", f"{skip.count} x {skip.capability}: {skip.reason}"
    for problem in result.problems:
        yield "problem", problem
    for slow in result.slowest:
        yield "slowest", f"{slow.duration_s:7.2f} s  {slow.nodeid}"
    yield "time", _time(result)
    yield "seed", str(result.seed)
    if result.failures or result.state == "interrupted":
        yield "artifacts", result.artifacts


def _time(result: RunResult) -> str:
    if result.budget_s is None:
        return f"{result.duration_s:.1f} s"
    over = "  OVER BUDGET" if result.duration_s > result.budget_s else ""
    return f"{result.duration_s:.1f} s of {result.budget_s:g} s{over}"


def text(result: RunResult) -> str:
    """The closing table for a terminal; a label is written once for its group of lines."""
    written = []
    last = ""
    for label, value in lines(result):
        written.append(f"{label if label != last else '':<10} {value}")
        last = label
    return "\n".join(written)


def markdown(result: RunResult) -> str:
    """The same for a CI job's page, with every failure and how to repeat it."""
    written = [f"### {result.tier}: {result.state}", "", "| | |", "|---|---|"]
    written += [f"| {label} | {_cell(value)} |" for label, value in lines(result)]
    for failure in result.failures:
        written += [
            "",
            f"**{failure.nodeid}** ({failure.when})",
            "",
            *_fenced(failure.message, failure.repro),
        ]
        if failure.artifacts:
            written += ["", f"artifacts: `{failure.artifacts}`"]
    return "\n".join(written) + "\n\n"


def append_to(path: Path, result: RunResult) -> None:
    """Add the summary to a CI job's page."""
    with path.open("a", encoding="utf-8") as file:
        file.write(markdown(result))


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")


def _fenced(message: str, repro: str) -> list[str]:
    fence = "`" * 3
    while fence in message or fence in repro:
        fence += "`"
    return [f"{fence}text", *message.splitlines()[:30], "", repro, fence]
