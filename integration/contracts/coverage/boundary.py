"""Boundaries: suites, and the outcomes that each promises to exercise."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.coverage.cell import Cell
from contracts.errors import ContractFileError

if TYPE_CHECKING:  # every run below integration/ imports this module: it must be cheap
    from contracts.openapi import Contract


@dataclass(frozen=True)
class Boundary:
    """A suite and the outcomes that it promises to exercise.

    `exempt` maps a cell's text to the reason why the suite cannot exercise it.
    """

    name: str
    directory: Path
    promised: frozenset[Cell]
    exempt: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stale = self.exempt.keys() - {str(cell) for cell in self.promised}
        if stale:
            raise ContractFileError(f"{self.name}: exempt, but no contract promises it: {sorted(stale)}")


def cells_of(*contracts: "Contract") -> frozenset[Cell]:
    """Every outcome that OpenAPI documents promise."""
    return frozenset(
        Cell(contract.name, operation.id, outcome)
        for contract in contracts
        for operation in contract.operations.values()
        for outcome in operation.outcomes
    )


def exemptions(path: Path) -> dict[str, str]:
    """The table `[exempt]` of a TOML file, `"<cell>" = "<reason>"`. Raises ContractFileError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["exempt"]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ContractFileError(
            f"{path}: expected a table [exempt] of cells and reasons: {error!r}"
        ) from error
    empty = [cell for cell, reason in table.items() if not (isinstance(reason, str) and reason.strip())]
    if empty:
        raise ContractFileError(f"{path}: without a reason: {empty}")
    return dict(table)
