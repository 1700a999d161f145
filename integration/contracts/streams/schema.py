"""streams.schema.json of a service: which keys it publishes, and what an entry looks like."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contracts.errors import ContractError, ContractFileError
from contracts.openapi import Schema
from contracts.paths import SERVICES

SESSION: Final = "gateway:session:{id}"
SESSION_EVENTS: Final = "gateway:session-events"
CLIENT_EVENTS: Final = "gateway:client-events"
REJECTED_CLIENT_EVENTS: Final = "gateway:client-events:rejected"
START_JOBS: Final = "runtime:start_jobs"
STOP_JOBS: Final = "runtime:stop_jobs"
JOB_RESULTS: Final = "runtime:job_results"
HEALTH_EVENTS: Final = "runtime:health_events"
INTENTS: Final = "notification:intents"
MAIL_COMMANDS: Final = "mail:delivery_commands"
USER_EVENTS: Final = "user:lifecycle_events"


def rejected(stream: str) -> str:
    """Where the reader of a stream sets aside what it cannot handle."""
    return f"{stream}:rejected"


class StreamContract:
    """The Redis contract of one service."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = {key: Schema(spec["schema"], document) for key, spec in document["x-keys"].items()}

    @property
    def keys(self) -> frozenset[str]:
        """The keys that it describes."""
        return frozenset(self._schemas)

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


@functools.cache
def publishers() -> Mapping[str, tuple[StreamContract, ...]]:
    """Whose contracts hold an entry, by key: writer and readers, all who publish one. Raises ContractFileError."""
    found: dict[str, tuple[StreamContract, ...]] = {}
    for path in sorted(SERVICES.glob("*/api/streams.schema.json")):
        contract = load(path)
        for key in contract.keys:
            found[key] = (*found.get(key, ()), contract)
    return found


def check(key: str, fields: Mapping[str, str]) -> None:
    """Holds an entry of `key` to the contract of everybody who publishes one; raises ContractError."""
    try:
        contracts = publishers()[key]
    except KeyError:
        raise ContractFileError(f"no service publishes {key}, only {sorted(publishers())}") from None
    for contract in contracts:
        contract.check(key, fields)
