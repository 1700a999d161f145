"""A client that is signed in."""

import base64
import hashlib
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.envelope import Envelope
from gateway.signing import request_signing_input
from gateway.wire.gateway.v1.edge_gateway_pb2 import ExecuteCommandRequest


@dataclass
class Device:
    """A client that is signed in: its session and its key."""

    device_session_id: str = "session-1"
    user_id: str = "user-1"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def projection(self, **changes: str | None) -> dict[str, str]:
        """What authsession writes into Redis for this session; None leaves a field out."""
        fields: dict[str, str | None] = {
            "device_session_id": self.device_session_id,
            "user_id": self.user_id,
            "status": "active",
            "client_public_key": base64.b64encode(self.key.public_key().public_bytes_raw()).decode(),
            "created_at_ms": "1790000000000",
            "version": "1",
        }
        return {name: value for name, value in (fields | changes).items() if value is not None}

    def sign(self, envelope: Envelope) -> Envelope:
        """`envelope` with this device's signature."""
        return replace(envelope, signature=self.key.sign(request_signing_input(envelope)))

    def envelope(self, **changes: Any) -> Envelope:
        """A valid envelope with a request id of its own; `changes` are made before it is signed."""
        payload = changes.get("payload", b'{"game_id":"g-1"}')
        values: dict[str, Any] = {
            "device_session_id": self.device_session_id,
            "message_type": "lobby.games.join",
            "timestamp_ms": time.time_ns() // 1_000_000,
            "request_id": os.urandom(8).hex(),
            "payload": payload,
            "payload_hash": hashlib.sha256(payload).digest(),
            "signature": bytes(64),
            "trace_id": None,
        }
        return self.sign(Envelope(**(values | changes)))


def encode(envelope: Envelope) -> bytes:
    """`envelope` as it goes over the wire, for either method: their messages are the same, field by field."""
    return ExecuteCommandRequest(
        protocol_version=envelope.protocol_version,
        device_session_id=envelope.device_session_id,
        message_type=envelope.message_type,
        timestamp_ms=envelope.timestamp_ms,
        request_id=envelope.request_id,
        payload_bytes=envelope.payload,
        payload_hash=envelope.payload_hash,
        signature=envelope.signature,
        trace_id=envelope.trace_id,
    ).SerializeToString()
