"""Signing inputs and signatures of gateway.v1 as the .proto documents them, written without a look at the gateway."""

import hashlib
import struct
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts.errors import ContractError
from contracts.wire.gateway.v1 import edge_gateway_pb2 as wire

RequestMessage = wire.ExecuteCommandRequest | wire.SubscribeEventsRequest

REQUEST_DOMAIN: Final = b"seatrial-request-v1"
RESPONSE_DOMAIN: Final = b"seatrial-response-v1"
EVENT_DOMAIN: Final = b"seatrial-event-v1"


def joined(*fields: bytes) -> bytes:
    """Each field behind its length, an unsigned 32 bit big endian integer."""
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def request_input(request: RequestMessage) -> bytes:
    """What a device signs."""
    return joined(
        REQUEST_DOMAIN,
        request.protocol_version.encode(),
        request.device_session_id.encode(),
        request.message_type.encode(),
        struct.pack(">q", request.timestamp_ms),
        request.request_id.encode(),
        request.payload_hash,
    )


def response_input(response: wire.ExecuteCommandResponse) -> bytes:
    """What the gateway signs to answer a command."""
    return joined(
        RESPONSE_DOMAIN,
        response.protocol_version.encode(),
        response.request_id.encode(),
        struct.pack(">q", response.timestamp_ms),
        struct.pack(">I", response.status_code),
        response.payload_hash,
    )


def event_input(event: wire.SubscribeEventsResponse) -> bytes:
    """What the gateway signs to push an event."""
    return joined(
        EVENT_DOMAIN,
        event.event_id.encode(),
        event.event_type.encode(),
        struct.pack(">q", event.timestamp_ms),
        event.payload_hash,
    )


class DeviceKey:
    """A device's Ed25519 key pair (RFC 8032)."""

    def __init__(self, seed: bytes | None = None) -> None:
        self._key = (
            Ed25519PrivateKey.generate() if seed is None else Ed25519PrivateKey.from_private_bytes(seed)
        )

    @property
    def public(self) -> str:
        """The public key, base64 of 32 bytes."""
        return b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, data: bytes) -> bytes:
        """64 bytes over `data`."""
        return self._key.sign(data)


class GatewayKeys:
    """The gateway's published public keys; verifies what it sent, raises ContractError."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """`keys`: base64 public keys by key id."""
        for key_id, key in keys.items():
            expected = hashlib.sha256(b64decode(key, validate=True)).hexdigest()[:16]
            if key_id != expected:
                raise ContractError(f"signing key {key_id}: its id should be {expected}")
        self._keys = [Ed25519PublicKey.from_public_bytes(b64decode(key)) for key in keys.values()]

    def verify_response(self, response: wire.ExecuteCommandResponse) -> None:
        """Raises ContractError unless hash and signature are right."""
        self._verify("response", response.payload_bytes, response.payload_hash)
        self._verify_signature("response", response.signature, response_input(response))

    def verify_event(self, event: wire.SubscribeEventsResponse) -> None:
        """Raises ContractError unless hash and signature are right."""
        self._verify("event", event.payload_bytes, event.payload_hash)
        self._verify_signature("event", event.signature, event_input(event))

    def _verify(self, what: str, payload: bytes, digest: bytes) -> None:
        if hashlib.sha256(payload).digest() != digest:
            raise ContractError(f"a {what}'s payload_hash is not the SHA-256 of its payload")

    def _verify_signature(self, what: str, signature: bytes, data: bytes) -> None:
        for key in self._keys:
            try:
                key.verify(signature, data)
            except InvalidSignature:
                continue
            return
        raise ContractError(
            f"a {what}'s signature fits none of the gateway's {len(self._keys)} published keys"
        )
