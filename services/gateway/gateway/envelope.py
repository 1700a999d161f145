"""Check 1: from raw bytes to a complete, bounded envelope of a known version.

The raw bytes are parsed here and not by gRPC, so that whatever cannot be decoded is answered with our code.
"""

import re
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from gateway.rejection import Rejection
from gateway.wire.gateway.v1.edge_gateway_pb2 import ExecuteCommandRequest, SubscribeEventsRequest

PROTOCOL_VERSION: Final = "v1"
MAX_PROTOCOL_VERSION_BYTES: Final = 16
MAX_MESSAGE_TYPE_BYTES: Final = 128
MAX_PAYLOAD_BYTES: Final = 64 * 1024
PAYLOAD_HASH_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

ID_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,128}")
"""An id: 1 to 128 characters of printable ASCII without space, so that it is safe in a header, a key and a log."""
MESSAGE_TYPE_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
TRACE_ID_PATTERN: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
"""A W3C trace-id (Trace Context, 3.2.2.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A request envelope that passed check 1; api/gateway/v1/edge_gateway.proto says what each field means."""

    device_session_id: str
    message_type: str
    timestamp_ms: int
    request_id: str
    payload: bytes
    payload_hash: bytes
    signature: bytes
    trace_id: str | None
    protocol_version: str = PROTOCOL_VERSION


def is_message_type(text: str) -> bool:
    """Whether `text` is a message type or an event type: dotted lower-case words, at most 128 bytes."""
    return len(text) <= MAX_MESSAGE_TYPE_BYTES and MESSAGE_TYPE_PATTERN.fullmatch(text) is not None


def parse_envelope(
    raw: bytes, message: type[ExecuteCommandRequest] | type[SubscribeEventsRequest] = ExecuteCommandRequest
) -> Envelope:
    """The envelope in `raw`, an encoded `message`.

    Raises Rejection `malformed_envelope` for what is not a complete canonical envelope within bounds, then
    `unsupported_protocol_version` for a complete envelope of another version.
    """
    parsed = message()
    try:
        parsed.ParseFromString(raw)
    except DecodeError:
        raise _malformed("it is not an encoded protobuf message") from None
    if len(UnknownFieldSet(parsed)):
        raise _malformed("it has an unknown field")
    # A field given twice is silently the last one to protobuf: two readers could then disagree about one message.
    if parsed.ByteSize() != len(raw):
        raise _malformed("it is not encoded canonically (a field given twice, or an overlong varint)")
    _require(
        0 < len(parsed.protocol_version.encode()) <= MAX_PROTOCOL_VERSION_BYTES,
        "protocol_version",
        "1 to 16 bytes",
    )
    _require(
        _is_id(parsed.device_session_id),
        "device_session_id",
        "1 to 128 printable ASCII characters without space",
    )
    _require(
        is_message_type(parsed.message_type), "message_type", "dotted lower-case words of at most 128 bytes"
    )
    _require(parsed.timestamp_ms > 0, "timestamp_ms", "Unix milliseconds greater than 0")
    _require(_is_id(parsed.request_id), "request_id", "1 to 128 printable ASCII characters without space")
    _require(len(parsed.payload_bytes) <= MAX_PAYLOAD_BYTES, "payload_bytes", "at most 65536 bytes")
    _require(len(parsed.payload_hash) == PAYLOAD_HASH_BYTES, "payload_hash", "32 bytes")
    _require(len(parsed.signature) == SIGNATURE_BYTES, "signature", "64 bytes")
    trace_id = parsed.trace_id or None
    _require(
        trace_id is None or TRACE_ID_PATTERN.fullmatch(trace_id) is not None,
        "trace_id",
        "absent or 32 lower-case hexadecimal digits, not all zero",
    )
    if parsed.protocol_version != PROTOCOL_VERSION:
        reason = f"protocol_version must be {PROTOCOL_VERSION!r}"
        raise Rejection("unsupported_protocol_version", reason, request_id=parsed.request_id)
    return Envelope(
        device_session_id=parsed.device_session_id,
        message_type=parsed.message_type,
        timestamp_ms=parsed.timestamp_ms,
        request_id=parsed.request_id,
        payload=parsed.payload_bytes,
        payload_hash=parsed.payload_hash,
        signature=parsed.signature,
        trace_id=trace_id,
    )


def _is_id(text: str) -> bool:
    return ID_PATTERN.fullmatch(text) is not None


def _require(holds: bool, field: str, wanted: str) -> None:
    if not holds:
        raise _malformed(f"{field} must be {wanted}")


def _malformed(reason: str) -> Rejection:
    return Rejection("malformed_envelope", f"the envelope is not acceptable: {reason}")
