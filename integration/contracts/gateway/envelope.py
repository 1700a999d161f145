"""Request envelopes of gateway.v1, right ones and every kind of wrong one."""

import hashlib
import time
import uuid
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self

from contracts.gateway.signing import DeviceKey, request_input
from contracts.wire.gateway.v1 import edge_gateway_pb2 as wire

SUBSCRIBE_TYPE: Final = "gateway.subscribe"


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The fields of a request. What is None is made when it is encoded: the hash and the signature as they should be.

    A fault put in with `but` stays the only one: a wrong hash or a stale time is signed over like a right one.
    """

    device_session_id: str
    message_type: str
    protocol_version: str = "v1"
    timestamp_ms: int = field(default_factory=now_ms)
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    payload_bytes: bytes = b"{}"
    payload_hash: bytes | None = None
    signature: bytes | None = None
    trace_id: str | None = None

    def but(self, **changes: Any) -> Self:
        """The same envelope with other fields."""
        return replace(self, **changes)

    def message(self, key: DeviceKey) -> wire.ExecuteCommandRequest:
        """The message, hashed and signed by `key` where the envelope does not say otherwise."""
        values = {
            item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None
        }
        message = wire.ExecuteCommandRequest(**values)
        if self.payload_hash is None:
            message.payload_hash = hashlib.sha256(self.payload_bytes).digest()
        if self.signature is None:
            message.signature = key.sign(request_input(message))
        return message

    def encoded(self, key: DeviceKey) -> bytes:
        """The bytes for the wire: both request messages have the same fields under the same numbers."""
        return self.message(key).SerializeToString(deterministic=True)
