"""Cells: documented outcomes, and which tests saw them happen."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple


class Cell(NamedTuple):
    """One documented outcome; `contract` and `operation` as their documents call them."""

    contract: str
    operation: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.contract} {self.operation}: {self.outcome}"


class Sightings:
    """How often each test saw which outcome. Thread-safe: streams are read beside the test."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_cell: dict[Cell, Counter[str]] = {}
        self.test = ""
        """The node id of the test that runs, or ran last; empty before the first one."""

    def note(self, cell: Cell) -> None:
        """The running test saw `cell` happen."""
        self.add(cell, {self.test: 1})

    def add(self, cell: Cell, tests: Mapping[str, int]) -> None:
        """Each of these tests saw `cell` so many times."""
        with self._lock:
            self._by_cell.setdefault(cell, Counter()).update(tests)

    def by_cell(self) -> dict[Cell, Counter[str]]:
        """For each outcome that was seen, how often by which test."""
        with self._lock:
            return {cell: Counter(tests) for cell, tests in self._by_cell.items()}


SEEN: Final = Sightings()
"""What this process saw."""


def exercised(cell: Cell) -> None:
    """Notes that this process saw `cell` happen. Thread-safe."""
    SEEN.note(cell)


def by_tests_below(seen: Mapping[Cell, Counter[str]], folder: str) -> dict[Cell, Counter[str]]:
    """Of what was seen the part that tests in `folder` saw, relative to the repository as their node ids are."""
    found = {
        cell: Counter({test: times for test, times in tests.items() if test.startswith(f"{folder}/")})
        for cell, tests in seen.items()
    }
    return {cell: tests for cell, tests in found.items() if tests}


def added_up(all_seen: Iterable[Mapping[Cell, Counter[str]]]) -> dict[Cell, Counter[str]]:
    """What several runs saw."""
    total = Sightings()
    for seen in all_seen:
        for cell, tests in seen.items():
            total.add(cell, tests)
    return total.by_cell()
