"""Entries of `gateway:client-events` and the signed events made of them."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.envelope import ID_PATTERN, MAX_PAYLOAD_BYTES, TRACE_ID_PATTERN, is_message_type
from gateway.signing import Signer, event_signing_input
from gateway.wire.gateway.v1.edge_gateway_pb2 import SubscribeEventsResponse

REQUIRED_FIELDS: Final = ("event_id", "event_type", "user_id", "payload", "occurred_at_ms")
OPTIONAL_FIELDS: Final = ("device_session_id", "trace_id")
TIME_PATTERN: Final = re.compile(r"[1-9][0-9]{0,15}")


class MalformedEntry(ValueError):
    """An entry breaks the contract; the message names the field and the reason, never a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEvent:
    """One event for the clients of a user, or of one session of that user. `occurred_at_ms`: Unix milliseconds."""

    event_id: str
    event_type: str
    user_id: str
    payload: bytes
    occurred_at_ms: int
    device_session_id: str | None = None
    trace_id: str | None = None


def parse_client_event(fields: Mapping[str, bytes]) -> ClientEvent:
    """The event in a stream entry (api/streams.schema.json, `client_event`). Raises MalformedEntry."""
    texts: dict[str, str] = {}
    for field, value in fields.items():
        if field not in REQUIRED_FIELDS and field not in OPTIONAL_FIELDS:
            raise MalformedEntry("there is an unknown field")
        try:
            texts[field] = value.decode("ascii")
        except UnicodeDecodeError:
            raise MalformedEntry(f"{field} is not ASCII") from None
    for field in REQUIRED_FIELDS:
        if field not in texts:
            raise MalformedEntry(f"{field} is missing")
    for field in ("event_id", "user_id", "device_session_id"):
        if field in texts and ID_PATTERN.fullmatch(texts[field]) is None:
            raise MalformedEntry(f"{field} is not 1 to 128 printable ASCII characters without space")
    if not is_message_type(texts["event_type"]):
        raise MalformedEntry("event_type is not dotted lower-case words of at most 128 bytes")
    if TIME_PATTERN.fullmatch(texts["occurred_at_ms"]) is None:
        raise MalformedEntry("occurred_at_ms is not Unix milliseconds in decimal")
    if "trace_id" in texts and TRACE_ID_PATTERN.fullmatch(texts["trace_id"]) is None:
        raise MalformedEntry("trace_id is not 32 lower-case hexadecimal digits, not all zero")
    return ClientEvent(
        event_id=texts["event_id"],
        event_type=texts["event_type"],
        user_id=texts["user_id"],
        payload=_payload(texts["payload"]),
        occurred_at_ms=int(texts["occurred_at_ms"]),
        device_session_id=texts.get("device_session_id"),
        trace_id=texts.get("trace_id"),
    )


def encode_event(
    signer: Signer,
    *,
    event_id: str,
    event_type: str,
    timestamp_ms: int,
    payload: bytes,
    trace_id: str | None = None,
) -> bytes:
    """The signed event as it goes over the wire, the same bytes for every subscriber."""
    payload_hash = hashlib.sha256(payload).digest()
    signed = event_signing_input(
        event_id=event_id, event_type=event_type, timestamp_ms=timestamp_ms, payload_hash=payload_hash
    )
    return SubscribeEventsResponse(
        event_id=event_id,
        event_type=event_type,
        timestamp_ms=timestamp_ms,
        payload_bytes=payload,
        payload_hash=payload_hash,
        signature=signer.sign(signed),
        trace_id=trace_id,
    ).SerializeToString()


def _payload(text: str) -> bytes:
    try:
        payload = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise MalformedEntry("payload is not base64") from None
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MalformedEntry("payload is larger than 65536 bytes")
    return payload
