"""streams.schema.json of a service: which keys it publishes, and what an entry looks like."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contracts.errors import ContractError, ContractFileError
from contracts.openapi import Schema
from contracts.paths import AUTHSESSION_API, GATEWAY_API

SESSION: Final = "gateway:session:{id}"
SESSION_EVENTS: Final = "gateway:session-events"
CLIENT_EVENTS: Final = "gateway:client-events"
REJECTED_CLIENT_EVENTS: Final = "gateway:client-events:rejected"


class StreamContract:
    """The Redis contract of one service."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = {key: Schema(spec["schema"], document) for key, spec in document["x-keys"].items()}

    def check(self, key: str, fields: Mapping[str, str]) -> None:
        """Raises ContractError unless `fields` is what the contract says of an entry of `key`."""
        try:
            faults = self._schemas[key].faults(dict(fields))
        except KeyError:
            raise ContractFileError(
                f"no published schema for {key}, only for {sorted(self._schemas)}"
            ) from None
        if faults:
            raise ContractError(f"{key} {dict(fields)}: {'; '.join(faults)}")


@functools.cache
def load(path: Path) -> StreamContract:
    """Reads a streams.schema.json once a process. Raises ContractFileError."""
    try:
        return StreamContract(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise ContractFileError(f"{path}: {error!r}") from error


def producers() -> Mapping[str, tuple[StreamContract, ...]]:
    """Whose contracts hold an entry, by key: writer and reader where both publish one."""
    gateway = load(GATEWAY_API / "streams.schema.json")
    authsession = load(AUTHSESSION_API / "streams.schema.json")
    return {
        SESSION: (authsession, gateway),
        SESSION_EVENTS: (authsession, gateway),
        CLIENT_EVENTS: (gateway,),
        REJECTED_CLIENT_EVENTS: (gateway,),
    }


def check(key: str, fields: Mapping[str, str]) -> None:
    """Holds an entry of `key` to the contract of everybody who publishes one; raises ContractError."""
    for contract in producers()[key]:
        contract.check(key, fields)
