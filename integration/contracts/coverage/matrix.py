"""The matrix: what is known of every documented outcome, over any number of runs and tiers."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from contracts.coverage.cell import Cell, added_up
from contracts.coverage.record import Promise, Record

State = Literal["hole", "exercised", "exempt", "unrun"]
STATES: Final[tuple[State, ...]] = ("hole", "unrun", "exempt", "exercised")
"""What may be said of an outcome, what asks for work first."""

_STATUS: Final = re.compile(r"\d{3}\b")


@dataclass(slots=True)
class Entry:
    """One outcome."""

    cell: Cell
    tests: Counter[str] = field(default_factory=Counter)
    """How often each test saw it."""
    tiers: list[str] = field(default_factory=list)
    """Where it was seen."""
    promised_by: list[str] = field(default_factory=list)
    """The suites that promise it, each with the tier that ran it."""
    reasons: list[str] = field(default_factory=list)
    """Why it need not be seen."""
    faults: list[str] = field(default_factory=list)
    """What is wrong: a suite of which all ran did not see it, or saw it in spite of its exemption."""

    @property
    def state(self) -> State:
        """The worst that is known of it."""
        if self.faults:
            return "hole"
        if self.tests:
            return "exercised"
        return "exempt" if self.reasons else "unrun"

    @property
    def times(self) -> int:
        """How often it was seen."""
        return self.tests.total()


@dataclass(frozen=True, slots=True)
class Contract:
    """The matrix of one contract: operations by outcomes; where nothing is documented there is no entry."""

    name: str
    entries: Mapping[Cell, Entry]

    @property
    def operations(self) -> list[str]:
        """The rows: what has holes first, then by name."""
        holes = Counter(cell.operation for cell, entry in self.entries.items() if entry.state == "hole")
        return sorted({cell.operation for cell in self.entries}, key=lambda name: (-holes[name], name))

    @property
    def outcomes(self) -> list[str]:
        """The columns: by status, then by code; what has none as its operations come."""
        names = dict.fromkeys(cell.outcome for cell in sorted(self.entries))
        return sorted(
            names, key=lambda name: (_STATUS.match(name) is None, name if _STATUS.match(name) else "")
        )

    @property
    def counts(self) -> Counter[State]:
        """How many outcomes are in each state."""
        return Counter(entry.state for entry in self.entries.values())


def of(
    records: Sequence[Record],
    published: Iterable[Cell] = (),
    unpromised: Mapping[Cell, str] = MappingProxyType({}),
) -> list[Contract]:
    """The matrix of each contract, those with holes first.

    `published` are outcomes that are shown even if no run knew of them; `unpromised` says why no suite promises one.
    """
    entries: dict[Cell, Entry] = {}

    def entry(cell: Cell) -> Entry:
        return entries.setdefault(cell, Entry(cell))

    for cell in published:
        entry(cell)
    for cell, tests in added_up(record.seen for record in records).items():
        entry(cell).tests = tests
    for record in records:
        for cell in record.seen:
            _once(entry(cell).tiers, record.tier)
        for promise in record.promises:
            _add(record, promise, entry)
    for cell, reason in unpromised.items():
        entry(cell).reasons.append(f"promised by no suite: {reason}")
    return _by_contract(entries)


def _add(record: Record, promise: Promise, entry: Callable[[Cell], Entry]) -> None:
    where = f"{promise.boundary} in {record.tier or 'a run by hand'}"
    for cell in promise.cells:
        found = entry(cell)
        _once(found.promised_by, where)
        if str(cell) in promise.exempt:
            _once(found.reasons, f"{promise.boundary}: {promise.exempt[str(cell)]}")
    how = "though all of them ran" if record.passed else "though all of them ran; some tests failed"
    if promise.whole:
        for cell in promise.missing(record.seen):
            _once(entry(cell).faults, f"no test of {where} exercised it, {how}")
        for cell in promise.stale(record.seen):
            _once(
                entry(cell).faults, f"{promise.boundary} has it exempt and exercises it: drop the exemption"
            )


def _once(lines: list[str], line: str) -> None:
    if line not in lines:
        lines.append(line)


def _by_contract(entries: Mapping[Cell, Entry]) -> list[Contract]:
    names = sorted({cell.contract for cell in entries})
    contracts = [
        Contract(name, {cell: entries[cell] for cell in sorted(entries) if cell.contract == name})
        for name in names
    ]
    return sorted(contracts, key=lambda contract: (-contract.counts["hole"], contract.name))
