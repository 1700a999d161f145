"""Reading and writing the published streams of one Redis, every entry held to its schema."""

import base64
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from contracts.coverage import Cell, exercised
from contracts.streams import schema

CONTRACT: Final = "redis"
OPERATIONS: Final = {
    schema.SESSION: ("active", "revoked"),
    schema.SESSION_EVENTS: ("session.created", "session.revoked"),
    schema.CLIENT_EVENTS: ("to a user", "to a session"),
    schema.REJECTED_CLIENT_EVENTS: ("rejected",),
}


def cells() -> frozenset[Cell]:
    """Every kind of entry that the contracts know."""
    return frozenset(
        Cell(CONTRACT, key, outcome) for key, outcomes in OPERATIONS.items() for outcome in outcomes
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry."""

    id: str
    fields: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.fields[name]


class Streams:
    """The published keys in the Redis behind `client`, a redis-py client."""

    def __init__(self, client: Any) -> None:
        self._redis = client

    def projection(self, device_session_id: str) -> Mapping[str, str] | None:
        """The published projection of a session; None when there is none."""
        fields: dict[str, str] = self._redis.hgetall(f"gateway:session:{device_session_id}")
        if not fields:
            return None
        schema.check(schema.SESSION, fields)
        exercised(Cell(CONTRACT, schema.SESSION, fields["status"]))
        return fields

    def session_events(self) -> list[Entry]:
        """Every session event so far, oldest first."""
        entries = self._entries(schema.SESSION_EVENTS)
        for entry in entries:
            exercised(Cell(CONTRACT, schema.SESSION_EVENTS, entry["event"]))
        return entries

    def rejected_client_events(self) -> list[Entry]:
        """What the gateway set aside, oldest first."""
        entries = self._entries(schema.REJECTED_CLIENT_EVENTS)
        if entries:
            exercised(Cell(CONTRACT, schema.REJECTED_CLIENT_EVENTS, "rejected"))
        return entries

    def groups(self, stream: str) -> set[str]:
        """The consumer groups of a stream; none while the stream does not exist."""
        if not self._redis.exists(stream):
            return set()
        return {group["name"] for group in self._redis.xinfo_groups(stream)}

    def pending(self, stream: str) -> int:
        """Entries that some group of a stream was not given yet, or has not acknowledged."""
        return sum(
            int(group["lag"] or 0) + int(group["pending"]) for group in self._redis.xinfo_groups(stream)
        )

    def publish(
        self,
        event_type: str,
        user_id: str,
        payload: bytes = b"{}",
        *,
        device_session_id: str | None = None,
        trace_id: str | None = None,
        event_id: str | None = None,
    ) -> str:
        """Publishes one client event, as any service may; returns its event_id."""
        event_id = event_id or str(uuid.uuid4())
        fields = {
            "event_id": event_id,
            "event_type": event_type,
            "user_id": user_id,
            "payload": base64.b64encode(payload).decode(),
            "occurred_at_ms": str(time.time_ns() // 1_000_000),
        }
        if device_session_id is not None:
            fields["device_session_id"] = device_session_id
        if trace_id is not None:
            fields["trace_id"] = trace_id
        schema.check(schema.CLIENT_EVENTS, fields)
        self.publish_unchecked(fields)
        target = "to a user" if device_session_id is None else "to a session"
        exercised(Cell(CONTRACT, schema.CLIENT_EVENTS, target))
        return event_id

    def publish_unchecked(self, fields: Mapping[str, str | bytes]) -> str:
        """Writes any entry to the client events, a malformed one too; returns the entry's id."""
        return cast(str, self._redis.xadd(schema.CLIENT_EVENTS, dict(fields)))

    def _entries(self, stream: str) -> list[Entry]:
        # Not decoded by the client: what was set aside may hold any bytes.
        found = self._redis.execute_command("XRANGE", stream, "-", "+", NEVER_DECODE=True)
        entries = [Entry(key.decode(), _texts(fields)) for key, fields in found]
        for entry in entries:
            schema.check(stream, entry.fields)
        return entries


def _texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode("utf-8", "backslashreplace") for name, value in fields.items()}
