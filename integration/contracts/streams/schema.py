"""streams.schema.json of a service: which keys it publishes, and what an entry looks like."""

import base64
import binascii
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from contracts.errors import ContractError, ContractFileError
from contracts.http import loads_strictly
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


@dataclass(frozen=True, slots=True)
class Content:
    """A field that holds a JSON document in its text: what JSON Schema notes of it and does not check (section 8)."""

    name: str
    in_base64: bool
    schema: Schema | None

    def faults(self, text: str) -> list[str]:
        """What is wrong with the document in `text`, one line each."""
        try:
            body = base64.b64decode(text, validate=True) if self.in_base64 else text.encode()
            value = loads_strictly(body)
        except (binascii.Error, ValueError) as error:
            return [f"{self.name} holds no JSON: {error}"]
        return [f"in {self.name} {fault}" for fault in self.schema.faults(value)] if self.schema else []


@dataclass(frozen=True, slots=True)
class EntryContract:
    """What an entry of one key may be."""

    schema: Schema
    contents: tuple[Content, ...]

    def faults(self, fields: Mapping[str, str]) -> list[str]:
        """What is wrong with an entry, one line each."""
        found = self.schema.faults(dict(fields))
        for content in self.contents:
            if content.name in fields:
                found += content.faults(fields[content.name])
        return found


class StreamContract:
    """The Redis contract of one service."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = {
            key: EntryContract(Schema(spec["schema"], document), tuple(_contents(spec["schema"], document)))
            for key, spec in document["x-keys"].items()
        }
        self._writers = {
            key: frozenset(spec["writer"].split(", ")) for key, spec in document["x-keys"].items()
        }

    def writers(self, key: str) -> frozenset[str]:
        """Who writes a key, as the document says."""
        return self._writers[key]

    @property
    def keys(self) -> frozenset[str]:
        """The keys that it describes."""
        return frozenset(self._schemas)

    def check(self, key: str, fields: Mapping[str, str]) -> None:
        """Raises ContractError unless `fields` is what the contract says of an entry of `key`."""
        try:
            faults = self._schemas[key].faults(fields)
        except KeyError:
            raise ContractFileError(
                f"no published schema for {key}, only for {sorted(self._schemas)}"
            ) from None
        if faults:
            raise ContractError(f"{key} {dict(fields)}: {'; '.join(faults)}")


def _contents(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Content]:
    """The JSON documents in the fields of an object's schema, behind its references."""
    if "$ref" in schema:
        yield from _contents(_referred(schema["$ref"], document), document)
    for part in schema.get("allOf", ()):
        yield from _contents(part, document)
    for name, field in schema.get("properties", {}).items():
        if field.get("contentMediaType") == "application/json":
            inner = Schema(field["contentSchema"], document) if "contentSchema" in field else None
            yield Content(name, field.get("contentEncoding") == "base64", inner)


def _referred(reference: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    referred: Mapping[str, Any] = found
    return referred


@functools.cache
def load(path: Path) -> StreamContract:
    """Reads a streams.schema.json once a process. Raises ContractFileError."""
    try:
        return StreamContract(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise ContractFileError(f"{path}: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Publishers:
    """Whose contracts hold the entries of a key."""

    readers: tuple[StreamContract, ...] = ()
    writers: tuple[StreamContract, ...] = ()
    open: bool = False
    """Whether any service may write it: then the readers alone say what an entry is."""

    def check(self, key: str, fields: Mapping[str, str]) -> None:
        """Raises ContractError unless every reader understands the entry and one of the writers may have written it."""
        for contract in self.readers:
            contract.check(key, fields)
        refusals = []
        for contract in () if self.open else self.writers:
            try:
                contract.check(key, fields)
            except ContractError as error:
                refusals.append(str(error))
            else:
                return
        if refusals:
            raise ContractError("; or: ".join(refusals))


@functools.cache
def publishers() -> Mapping[str, Publishers]:
    """Whose contracts hold the entries, by key. Raises ContractFileError."""
    found: dict[str, Publishers] = {}
    for path in sorted(SERVICES.glob("*/api/streams.schema.json")):
        contract, service = load(path), path.parents[1].name
        for key in contract.keys:
            known, writers = found.get(key, Publishers()), contract.writers(key)
            if service in writers:
                known = replace(known, writers=(*known.writers, contract))
            else:
                known = replace(known, readers=(*known.readers, contract))
            found[key] = replace(known, open=known.open or "any service" in writers)
    return found


@functools.cache
def streams() -> tuple[str, ...]:
    """The keys that are streams: all but those that stand for many, such as `gateway:session:{id}`."""
    return tuple(key for key in publishers() if "{" not in key)


def check(key: str, fields: Mapping[str, str]) -> None:
    """Holds an entry of `key` to the contracts of those who read it and of those who write it; raises ContractError."""
    try:
        publishing = publishers()[key]
    except KeyError:
        raise ContractFileError(f"no service publishes {key}, only {sorted(publishers())}") from None
    publishing.check(key, fields)
