"""Signing inputs and Ed25519 keys (RFC 8032): README.md describes the bytes, api/signing_vectors.json shows them."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.envelope import Envelope

REQUEST_DOMAIN: Final = b"seatrial-request-v1"
RESPONSE_DOMAIN: Final = b"seatrial-response-v1"
EVENT_DOMAIN: Final = b"seatrial-event-v1"
KEY_BYTES: Final = 32


def signing_input(domain: bytes, *fields: bytes) -> bytes:
    """The domain tag and the fields, each preceded by its length in bytes as an unsigned 32 bit big endian integer.

    Injective: different domains or fields never give the same bytes, however long the fields are.
    """
    return b"".join(len(field).to_bytes(4, "big") + field for field in (domain, *fields))


def request_signing_input(envelope: Envelope) -> bytes:
    """What the client signed: every field of the envelope but the payload itself, the signature and the trace id."""
    return signing_input(
        REQUEST_DOMAIN,
        envelope.protocol_version.encode(),
        envelope.device_session_id.encode(),
        envelope.message_type.encode(),
        _int64(envelope.timestamp_ms),
        envelope.request_id.encode(),
        envelope.payload_hash,
    )


def response_signing_input(
    *, protocol_version: str, request_id: str, timestamp_ms: int, status_code: int, payload_hash: bytes
) -> bytes:
    """What the gateway signs in an answer to a command."""
    return signing_input(
        RESPONSE_DOMAIN,
        protocol_version.encode(),
        request_id.encode(),
        _int64(timestamp_ms),
        status_code.to_bytes(4, "big"),
        payload_hash,
    )


def event_signing_input(*, event_id: str, event_type: str, timestamp_ms: int, payload_hash: bytes) -> bytes:
    """What the gateway signs in a pushed event."""
    return signing_input(
        EVENT_DOMAIN, event_id.encode(), event_type.encode(), _int64(timestamp_ms), payload_hash
    )


def is_signed_by(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `signature` is `public_key`'s (32 bytes, raw) over `data`. A key that is no point of the curve: False."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A verification key as clients see it: base64 of its 32 bytes, named by the start of its SHA-256."""

    key_id: str
    public_key: str


class Signer:
    """The gateway's own key."""

    def __init__(self, seed: bytes) -> None:
        """`seed` is the 32-byte private key of RFC 8032, 5.1.5. Raises ValueError for another length."""
        if len(seed) != KEY_BYTES:
            raise ValueError(f"an Ed25519 seed has {KEY_BYTES} bytes, this one {len(seed)}")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self._key.public_key().public_bytes_raw()
        self.published = PublishedKey(
            hashlib.sha256(public).hexdigest()[:16], base64.b64encode(public).decode()
        )

    def sign(self, data: bytes) -> bytes:
        """The 64-byte signature over `data`."""
        return self._key.sign(data)


def decode_key(text: str) -> bytes:
    """The 32 bytes that `text` holds in canonical base64. Raises ValueError, whose message does not show `text`."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"it decodes to {len(key)} bytes, not {KEY_BYTES}")
    if base64.b64encode(key).decode() != text:
        raise ValueError("it is not canonical base64")
    return key


def _int64(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)
