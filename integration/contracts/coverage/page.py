"""The page: the matrices of all contracts as one HTML file that needs nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

from contracts.coverage import matrix
from contracts.coverage.cell import Cell
from contracts.coverage.matrix import STATES, Contract, Entry, State
from contracts.coverage.record import Record

_ASSETS: Final = Path(__file__).parent / "assets"
_TESTS: Final = 5
_WORDS: Final[Mapping[State, str]] = {
    "hole": "hole",
    "unrun": "not run",
    "exempt": "exempt",
    "exercised": "exercised",
}
_SIGNS: Final[Mapping[State, str]] = {"hole": "\u2715", "unrun": "\u00b7", "exempt": "\u2013"}


def of(
    records: Sequence[Record],
    *,
    title: str,
    published: frozenset[Cell] = frozenset(),
    unpromised: Mapping[Cell, str] | None = None,
) -> str:
    """The page of these runs; see `matrix.of` for `published` and `unpromised`."""
    contracts = matrix.of(records, published, unpromised or {})
    entries = [entry for contract in contracts for entry in contract.entries.values()]
    numbers = {entry.cell: number for number, entry in enumerate(entries)}
    counts = {state: sum(contract.counts[state] for contract in contracts) for state in STATES}
    return Template(_asset("page.html")).substitute(
        title=escape(title),
        style=_asset("page.css"),
        script=_asset("page.js"),
        figures="".join(_figure(state, counts[state]) for state in STATES),
        options="".join(f"<option>{escape(contract.name)}</option>" for contract in contracts),
        runs="".join(_runs(records)),
        holes="".join(_holes(entries, numbers)),
        contracts="".join(_contract(contract, numbers) for contract in contracts),
        # Inside a script element nothing but "</" and "<!" would end the data
        data=json.dumps([_details(entry) for entry in entries], ensure_ascii=False).replace("<", "\\u003c"),
    )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _figure(state: State, count: int) -> str:
    return (
        f'<label class="figure {state}"><input type="checkbox" name="state" value="{state}" checked>'
        f"<b>{count}</b> {_word(state, count)}</label>"
    )


def _runs(records: Sequence[Record]) -> Iterator[str]:
    for record in sorted(records, key=lambda record: (record.tier, record.run)):
        suites = ", ".join(
            f"{promise.boundary}{'' if promise.whole else ' (a part)'}" for promise in record.promises
        )
        cells = (
            record.tier or "by hand",
            record.run,
            record.finished_at,
            record.revision,
            "all passed" if record.passed else "some failed",
            suites,
        )
        yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _holes(entries: Sequence[Entry], numbers: Mapping[Cell, int]) -> Iterator[str]:
    for entry in entries:
        if entry.state == "hole":
            why = "; ".join(entry.faults)
            yield (
                f'<li><button class="hole" data-cell="{numbers[entry.cell]}">{escape(str(entry.cell))}</button> '
                f"{escape(why)}</li>"
            )


def _contract(contract: Contract, numbers: Mapping[Cell, int]) -> str:
    counts, total = contract.counts, len(contract.entries)
    bar = "".join(
        f'<i class="{state}" style="flex:{counts[state]}"></i>' for state in reversed(STATES) if counts[state]
    )
    words = ", ".join(f"{counts[state]} {_word(state, counts[state])}" for state in STATES if counts[state])
    outcomes = contract.outcomes
    head = "".join(f'<th scope="col"><span>{escape(outcome)}</span></th>' for outcome in outcomes)
    rows = "".join(_row(contract, operation, outcomes, numbers) for operation in contract.operations)
    return (
        f'<details open data-contract="{escape(contract.name)}"><summary><h2>{escape(contract.name)}</h2>'
        f'<span class="bar">{bar}</span><span class="words">{total} outcomes: {words}</span></summary>'
        f'<div class="scroll"><table class="matrix"><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        "</details>"
    )


def _row(contract: Contract, operation: str, outcomes: Sequence[str], numbers: Mapping[Cell, int]) -> str:
    cells = []
    for outcome in outcomes:
        entry = contract.entries.get(Cell(contract.name, operation, outcome))
        if entry is None:
            cells.append("<td></td>")
            continue
        sign = _SIGNS.get(entry.state) or _short(entry.times)
        label = escape(f"{operation}: {outcome}: {_WORDS[entry.state]}")
        cells.append(
            f'<td><button class="{entry.state}" data-cell="{numbers[entry.cell]}" title="{label}" '
            f'aria-label="{label}">{sign}</button></td>'
        )
    return f'<tr><th scope="row">{escape(operation)}</th>{"".join(cells)}</tr>'


def _word(state: State, count: int) -> str:
    return "holes" if state == "hole" and count != 1 else _WORDS[state]


def _short(times: int) -> str:
    """A number that fits into a cell."""
    return str(times) if times < 10_000 else f"{times // 1000}k"


def _details(entry: Entry) -> dict[str, Any]:
    """What the page tells of an outcome when it is asked."""
    return {
        "contract": entry.cell.contract,
        "operation": entry.cell.operation,
        "outcome": entry.cell.outcome,
        "state": entry.state,
        "word": _WORDS[entry.state],
        "times": entry.times,
        "tiers": entry.tiers,
        "tests": [[test or "(outside any test)", times] for test, times in entry.tests.most_common(_TESTS)],
        "all_tests": len(entry.tests),
        "promised_by": entry.promised_by,
        "reasons": entry.reasons,
        "faults": entry.faults,
    }
