"""Records: what a run promised of the contracts and what it saw, as one JSON document a run.

`reports/<tier>/coverage.json`, or `coverage-<run>.json` for each of a tier's runs. Pages are made from these documents.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from contracts.coverage.cell import Cell, by_tests_below
from contracts.errors import ContractFileError

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A boundary as a run knew it."""

    boundary: str
    folder: str
    """Of the suite, relative to the repository."""
    cells: frozenset[Cell]
    exempt: Mapping[str, str]
    whole: bool
    """Whether all of the suite's tests ran; what a part of them did not see is nobody's fault."""

    def joined(self, other: "Promise") -> "Promise":
        """The same boundary as two workers of a run knew it."""
        return replace(
            self,
            cells=self.cells | other.cells,
            exempt={**self.exempt, **other.exempt},
            whole=self.whole and other.whole,
        )

    def missing(self, seen: Mapping[Cell, Counter[str]]) -> frozenset[Cell]:
        """What is promised, and was seen by no test of the suite, for no reason that its exemptions give."""
        own = by_tests_below(seen, self.folder)
        return frozenset(cell for cell in self.cells - own.keys() if str(cell) not in self.exempt)

    def stale(self, seen: Mapping[Cell, Counter[str]]) -> frozenset[Cell]:
        """What is exempt, and was seen by a test of the suite all the same."""
        own = by_tests_below(seen, self.folder)
        return frozenset(cell for cell in self.cells & own.keys() if str(cell) in self.exempt)

    def document(self) -> dict[str, Any]:
        """This as plain data."""
        return {
            "boundary": self.boundary,
            "folder": self.folder,
            "cells": [list(cell) for cell in sorted(self.cells)],
            "exempt": dict(self.exempt),
            "whole": self.whole,
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Promise":
        """What `document` wrote; raises KeyError and TypeError for anything else."""
        return cls(**{**document, "cells": frozenset(Cell(*cell) for cell in document["cells"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run."""

    tier: str
    run: str
    """Which of the tier's runs it is; empty for the only one."""
    finished_at: str
    """RFC 3339, UTC."""
    revision: str
    """The checkout's git commit, with `+` behind it for uncommitted changes; empty outside a checkout."""
    passed: bool
    """Whether all tests passed."""
    promises: tuple[Promise, ...]
    seen: Mapping[Cell, Counter[str]]
    """For each outcome that was seen, how often by which test."""

    @property
    def holes(self) -> dict[str, list[str]]:
        """What is wrong with each boundary all of whose suite ran, one line each."""
        found = {
            promise.boundary: [
                *(f"never exercised  {cell}" for cell in sorted(promise.missing(self.seen))),
                *(
                    f"exempt, but exercised (drop the exemption)  {cell}"
                    for cell in sorted(promise.stale(self.seen))
                ),
            ]
            for promise in self.promises
            if promise.whole
        }
        return {boundary: lines for boundary, lines in found.items() if lines}

    def text(self) -> str:
        """This as JSON."""
        document = {
            "format": _FORMAT,
            "tier": self.tier,
            "run": self.run,
            "finished_at": self.finished_at,
            "revision": self.revision,
            "passed": self.passed,
            "promises": [promise.document() for promise in self.promises],
            "seen": seen_document(self.seen),
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"


def seen_document(seen: Mapping[Cell, Counter[str]]) -> list[list[Any]]:
    """What was seen as plain data."""
    return [[*cell, dict(sorted(seen[cell].items()))] for cell in sorted(seen)]


def read_seen(document: Sequence[Sequence[Any]]) -> dict[Cell, Counter[str]]:
    """What `seen_document` wrote; raises TypeError and ValueError for anything else."""
    return {Cell(*cell): Counter(tests) for *cell, tests in document}


def read(path: Path) -> Record:
    """One run's document; raises ContractFileError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return _record(**document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ContractFileError(
            f"{path}: no record of a coverage of contracts: {error!r} (delete it and run the tier again)"
        ) from error


def _record(
    *, format: int, promises: Sequence[Mapping[str, Any]], seen: Sequence[Sequence[Any]], **rest: Any
) -> Record:
    if format != _FORMAT:
        raise ValueError("written by another version")
    return Record(promises=tuple(Promise.read(promise) for promise in promises), seen=read_seen(seen), **rest)
