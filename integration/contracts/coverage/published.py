"""Everything that the services publish: each outcome of each contract, promised by a suite or not.

The documents are found, not listed: a contract that is published and that nothing here can read is an error.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.coverage.boundary import cells_of
from contracts.coverage.cell import Cell
from contracts.errors import ContractFileError
from contracts.gateway import edge
from contracts.lobby import commands
from contracts.openapi import Contract
from contracts.paths import SERVICES
from contracts.streams import outcomes, schema, stream_log
from contracts.wire.gateway.v1 import edge_gateway_pb2 as wire

UNPROMISED: Final = Path(__file__).parents[1] / "unpromised.toml"
"""What no suite promises, and why: contracts, operations, or outcomes."""
_PROTOCOLS: Final = {"gateway/api/gateway/v1/edge_gateway.proto": (wire.DESCRIPTOR, edge.cells)}


def cells() -> frozenset[Cell]:
    """Every outcome of every published contract. Raises ContractFileError."""
    return frozenset().union(
        *(cells_of(each) for each in documents()), _streams(), _calls(), commands.cells()
    )


def documents() -> list[Contract]:
    """Every OpenAPI document, under the name that its clients know it by. Raises ContractFileError."""
    return [Contract.load(_name(path), path) for path in sorted(SERVICES.glob("*/api/*openapi.yaml"))]


def _name(path: Path) -> str:
    kind = path.name.removesuffix("openapi.yaml").strip(".")
    service = path.parents[1].name
    return {"": f"{service} http", "adapters": f"{service} adapters"}.get(kind, f"{kind} http")


def _streams() -> Iterable[Cell]:
    """Every outcome of every stream."""
    for key in schema.publishers():
        try:
            known = outcomes.known(key)
        except KeyError:
            raise ContractFileError(f"{key}: contracts/streams/outcomes.py knows no outcomes of it") from None
        yield from (Cell(stream_log.CONTRACT, key, outcome) for outcome in known)


def _calls() -> Iterable[Cell]:
    """Every status of every gRPC method."""
    for path in sorted(SERVICES.glob("*/api/**/*.proto")):
        try:
            descriptor, documented = _PROTOCOLS[path.relative_to(SERVICES).as_posix()]
        except KeyError:
            raise ContractFileError(
                f"{path}: contracts/coverage/published.py knows no client of it"
            ) from None
        found = documented()
        for service in descriptor.services_by_name.values():
            missing = {method.name for method in service.methods} - {cell.operation for cell in found}
            if missing:
                raise ContractFileError(f"{path}: no statuses are published for {sorted(missing)}")
        yield from found


@dataclass(frozen=True, slots=True)
class Unpromised:
    """What is published, and promised by no suite."""

    excused: Mapping[Cell, str]
    """With a reason."""
    bare: tuple[Cell, ...]
    """Without one."""
    stale: tuple[str, ...]
    """What the file of reasons names, though a suite promises all of it or nobody publishes it."""


def unpromised(promised: Iterable[Cell], path: Path = UNPROMISED) -> Unpromised:
    """What no suite promises, held against the reasons in `path`. Raises ContractFileError."""
    reasons = _reasons(path)
    used: set[str] = set()
    excused: dict[Cell, str] = {}
    bare: list[Cell] = []
    for cell in sorted(cells() - set(promised)):
        names = (str(cell), f"{cell.contract} {cell.operation}", cell.contract)
        name = next((name for name in names if name in reasons), None)
        if name is None:
            bare.append(cell)
        else:
            used.add(name)
            excused[cell] = reasons[name]
    return Unpromised(excused, tuple(bare), tuple(sorted(reasons.keys() - used)))


def _reasons(path: Path) -> dict[str, str]:
    """The reasons in a file, by what they are for: a contract, an operation, or one outcome, as cells are written."""
    found: dict[str, str] = {}
    try:
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["unpromised"]:
            reason, names = entry["reason"], entry["what"]
            if not reason.strip() or not names or found.keys() & set(names):
                raise ContractFileError(
                    f"{path}: {names}: expected one reason for each, and something that it is for"
                )
            found |= dict.fromkeys(names, reason)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ContractFileError(
            f"{path}: expected tables [[unpromised]] with a reason, and what it is for: {error!r}"
        ) from error
    return found
