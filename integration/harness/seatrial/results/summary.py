"""Summary: what a run or a whole tier came to, as one short table for the terminal and for a CI job's page."""

import html
import os
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from seatrial import tier
from seatrial.results.reports import Failure, RunResult

WIDTH: Final = 110
"""How many columns a table has that is told nothing better."""
JOB_PAGE: Final = "GITHUB_STEP_SUMMARY"
"""The variable that names the file of a CI job's page."""

_LABEL: Final = 11
_NARROWEST: Final = 40
_NAMED: Final = 10
_TOLD: Final = 20
_MESSAGE_LINES: Final = 30


def columns() -> int:
    """How many columns the terminal has; COLUMNS says so too."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def text(result: RunResult, places: Sequence[str] = (), *, width: int = WIDTH) -> str:
    """The table for a terminal of `width` columns; `places` says where more can be read.

    A label is written once for its group of lines. Only what is there to be copied, a node id or a path, is ever wider.
    """
    room = max(width, _NARROWEST) - _LABEL
    written: list[str] = []
    last = ""
    for label, value in _lines(result, places, room):
        written.append(f"{label if label != last else '':<{_LABEL}}{value}".rstrip())
        last = label
    return "\n".join(written)


def markdown(result: RunResult, places: Sequence[str] = ()) -> str:
    """The same for a CI job's page, with the failures and how to repeat them."""
    written = [f"### {result.tier}: {result.state}", "", "| | |", "|---|---|"]
    written += [f"| {label} | {_cell(value)} |" for label, value in _facts(result)]
    written += [f"| slowest | {one.duration_s:.2f} s {_code(one.nodeid)} |" for one in result.slowest]
    written += [f"| {label} | {_cell(value)} |" for label, value in _end(result, places)]
    for failure in result.failures[:_TOLD]:
        written += ["", f"{_code(failure.nodeid)} ({failure.when})", "", *_fenced(failure)]
        if failure.artifacts:
            written += ["", f"artifacts: {_code(failure.artifacts)}"]
    if rest := result.failures[_TOLD:]:
        written += ["", f"and {len(rest)} more:", *(f"- {_code(failure.nodeid)}" for failure in rest)]
    return "\n".join(written) + "\n\n"


def add_to_job_page(result: RunResult, places: Sequence[str] = ()) -> None:
    """Add the summary to the page of the CI job, where there is one."""
    if page := os.environ.get(JOB_PAGE):
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(markdown(result, places))


def _facts(result: RunResult) -> Iterator[tuple[str, str]]:
    """What comes first: the outcome, and what is wrong with the run as a whole."""
    yield "state", result.state if result.state == "passed" else result.state.upper()
    counts = result.counts
    rare = (
        (counts.xfailed, "failed as expected"),
        (counts.quarantined, "in quarantine"),
    )
    parts = [f"{counts.passed} passed", f"{counts.failed} failed", f"{counts.skipped} skipped"]
    yield "tests", ", ".join([*parts, *(f"{count} {what}" for count, what in rare if count)])
    for skip in result.skips:
        why = f"{skip.capability}: {skip.reason}" if skip.capability else skip.reason
        yield "skipped", f"{skip.count} x {why}"
    for problem in result.problems:
        yield "problem", problem


def _end(result: RunResult, places: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What comes last."""
    yield "time", _time(result)
    if result.seed:
        yield "seed", str(result.seed)
    for place in places:
        yield "reports", place


def _lines(result: RunResult, places: Sequence[str], room: int) -> Iterator[tuple[str, str]]:
    for label, value in _facts(result):
        for line in _wrapped(value, room):
            yield label, line
    for failure in result.failures[:_NAMED]:
        yield "failed", f"{failure.nodeid} ({failure.when})"
        yield "failed", "  " + _beginning_of(failure.message.strip(), room - 2)
        if failure.artifacts:
            yield "failed", f"  {failure.artifacts}"
    if rest := result.failures[_NAMED:]:
        yield "failed", f"and {len(rest)} more: seatrial why {result.tier}"
    for slow in result.slowest:
        yield "slowest", f"{slow.duration_s:7.2f} s  {_end_of(slow.nodeid, room - 11)}"
    for label, value in _end(result, places):
        yield label, value


def _time(result: RunResult) -> str:
    if result.budget_s is None:
        return f"{result.duration_s:.1f} s"
    over = ", OVER BUDGET" if result.duration_s > result.budget_s else ""
    return f"{result.duration_s:.1f} s of {tier.duration(int(result.budget_s))}{over}"


def _wrapped(value: str, room: int) -> list[str]:
    return textwrap.wrap(_one_line(value), room, break_long_words=False, break_on_hyphens=False) or [""]


def _one_line(value: str) -> str:
    """A text without line breaks, and without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in value)


def _beginning_of(message: str, room: int) -> str:
    """The first line of a message, as much of it as there is room for."""
    line = _one_line(message.partition("\n")[0])
    return line if len(line) <= room else f"{line[: room - 3]}..."


def _end_of(value: str, room: int) -> str:
    """The end of a text that is too long: of a node id the part that names the test."""
    return value if len(value) <= room else f"...{value[len(value) - room + 3 :]}"


def _cell(value: str) -> str:
    """A text in a cell of a table: neither a column nor a tag comes of it."""
    return html.escape(_one_line(value), quote=False).replace("|", "\\|")


def _code(value: str) -> str:
    """A name as it is, in a table too."""
    return f"<code>{html.escape(_one_line(value), quote=False).replace('|', '&#124;')}</code>"


def _fenced(failure: Failure) -> list[str]:
    fence = "`" * 3
    while fence in failure.message or fence in failure.repro:
        fence += "`"
    lines = failure.message.splitlines()[:_MESSAGE_LINES]
    return [f"{fence}text", *lines, "", failure.repro, fence]
