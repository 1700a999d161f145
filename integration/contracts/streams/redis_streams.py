"""The keys that the gateway publishes or reads, in the words of its suites."""

import base64
import functools
import time
import uuid
from collections.abc import Mapping
from typing import Final, Self

from contracts.coverage import Cell
from contracts.streams import recording, schema, stream_log
from contracts.streams.stream_log import Entry, StreamLog
from seatrial import Environment
from seatrial.stores.store import Store

KEYS: Final = (
    schema.SESSION,
    schema.SESSION_EVENTS,
    schema.CLIENT_EVENTS,
    schema.REJECTED_CLIENT_EVENTS,
)


def cells() -> frozenset[Cell]:
    """Every kind of entry that the contracts know of these keys."""
    return stream_log.cells(*KEYS)


class Streams(StreamLog):
    """Sessions and client events."""

    @classmethod
    def of_test(cls, environment: Environment, store: Store) -> Self:
        """The streams in a store of a test: told on its timeline, and held to their schemas when it ends."""
        streams = cls(store.client())
        environment.gather("entries of the streams", functools.partial(recording.gather, streams.redis))
        environment.on_teardown(streams.audit)
        return streams

    def projection(self, device_session_id: str) -> Mapping[str, str] | None:
        """The published projection of a session; None when there is none."""
        fields: dict[str, str] = self.redis.hgetall(f"gateway:session:{device_session_id}")
        if not fields:
            return None
        schema.check(schema.SESSION, fields)
        stream_log.note(schema.SESSION, fields)
        return fields

    def session_events(self) -> list[Entry]:
        """Every session event so far, oldest first."""
        return self.entries(schema.SESSION_EVENTS)

    def rejected_client_events(self) -> list[Entry]:
        """What the gateway set aside, oldest first."""
        return self.entries(schema.REJECTED_CLIENT_EVENTS)

    def publish_event(
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
        self.publish(schema.CLIENT_EVENTS, fields)
        return event_id
