"""Sessions as the gateway reads them, written without authsession: for suites of boundaries that signing in is no part of."""

import time
import uuid

from contracts.gateway.device import Device
from contracts.gateway.edge import Edge
from contracts.gateway.signing import DeviceKey
from contracts.streams import schema
from contracts.streams.redis_streams import Streams


def open_session(streams: Streams, edge: Edge, user_id: str) -> Device:
    """A device of a user with an active session, as authsession would have published it."""
    key = DeviceKey()
    session_id = f"s-{uuid.uuid4()}"
    fields = {
        "device_session_id": session_id,
        "user_id": user_id,
        "status": "active",
        "client_public_key": key.public,
        "created_at_ms": str(time.time_ns() // 1_000_000),
        "version": "1",
    }
    schema.check(schema.SESSION, fields)
    streams.redis.hset(schema.SESSION.format(id=session_id), mapping=fields)
    return Device(edge, session_id, key)
