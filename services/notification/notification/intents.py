"""Intents: entries of `notification:intents`, read strictly."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final, NoReturn

import msgspec

from notification.catalogue import AudienceKind, Catalogue, NotificationType

STREAM: Final = "notification:intents"
REJECTED: Final = "notification:intents:rejected"

MAX_RECIPIENTS: Final = 1000
MAX_PAYLOAD_BYTES: Final = 32 * 1024
"""The gateway takes events of 64 KiB, and the type and the time go with the payload."""

_ID: Final = re.compile(r"[!-~]{1,128}")
_KEY: Final = re.compile(r"[!-~]{1,256}")
_PRODUCER: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TIME: Final = re.compile(r"[1-9][0-9]{0,15}")
_TRACE_ID: Final = re.compile(r"(?:(?!0{32})[0-9a-f]{32})?")
_FIELDS: Final = frozenset(
    {
        "notification_type", "producer", "audience_kind", "recipient_user_ids", "idempotency_key", "occurred_at_ms",
        "request_id", "trace_id", "payload",
    }
)  # fmt: skip
_RECIPIENTS: Final = msgspec.json.Decoder(list[str])


class InvalidIntent(ValueError):
    """An entry cannot be used. The message begins with a stable code; it names the field and the reason, never a value."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody is to be told."""

    notification_type: str
    producer: str
    audience_kind: AudienceKind
    recipients: tuple[str, ...]
    """Ids of users; empty for `admin_email`."""
    idempotency_key: str
    occurred_at_ms: int
    request_id: str
    trace_id: str
    """Empty when there is none."""
    payload: bytes
    """Canonical JSON: the fields in the catalogue's order, without white space."""

    @property
    def content_hash(self) -> str:
        """SHA-256, hexadecimal, over what makes two intents the same: not the ids of the call that they came with."""
        content = (
            self.notification_type,
            self.producer,
            self.audience_kind,
            sorted(self.recipients),
            self.occurred_at_ms,
            self.payload.decode(),
        )
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def parse(fields: Mapping[str, bytes], catalogue: Catalogue) -> Intent:
    """The intent in a stream entry (api/streams.schema.json, `intent`). Raises InvalidIntent."""
    texts = _texts(fields)
    for name, pattern, form in (
        ("idempotency_key", _KEY, "1 to 256 characters of visible ASCII"),
        ("producer", _PRODUCER, "a lower-case word of at most 64 characters"),
        ("request_id", _ID, "1 to 128 characters of visible ASCII"),
        ("trace_id", _TRACE_ID, "32 lower-case hexadecimal digits, not all zero, or empty"),
        ("occurred_at_ms", _TIME, "Unix milliseconds in decimal"),
    ):
        if pattern.fullmatch(texts[name]) is None:
            _malformed(f"{name} is not {form}")
    known = catalogue.get(texts["notification_type"])
    if known is None:
        raise InvalidIntent("unknown_notification_type: notification_type is not in the catalogue")
    return Intent(
        notification_type=known.name,
        producer=texts["producer"],
        audience_kind=known.audience_kind,
        recipients=_recipients(texts, known),
        idempotency_key=texts["idempotency_key"],
        occurred_at_ms=int(texts["occurred_at_ms"]),
        request_id=texts["request_id"],
        trace_id=texts["trace_id"],
        payload=_payload(fields["payload"], known),
    )


def _malformed(reason: str) -> NoReturn:
    raise InvalidIntent(f"malformed_intent: {reason}") from None


def _texts(fields: Mapping[str, bytes]) -> dict[str, str]:
    """The fields as text: all of them, and no others."""
    if not _FIELDS.issuperset(fields):
        _malformed("there is an unknown field")
    texts = {}
    for name in sorted(_FIELDS):
        if name not in fields:
            _malformed(f"{name} is missing")
        try:
            texts[name] = fields[name].decode()
        except UnicodeDecodeError:
            _malformed(f"{name} is not UTF-8")
    return texts


def _recipients(texts: Mapping[str, str], known: NotificationType) -> tuple[str, ...]:
    if texts["audience_kind"] != known.audience_kind:
        _malformed(f"audience_kind is not {known.audience_kind}, as the catalogue says for this type")
    try:
        recipients = _RECIPIENTS.decode(texts["recipient_user_ids"])
    except (ValueError, RecursionError):
        _malformed("recipient_user_ids is not a JSON array of strings")
    if known.audience_kind == "admin_email":
        if recipients:
            _malformed("recipient_user_ids is not empty, and the audience is admin_email")
        return ()
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        _malformed(f"recipient_user_ids has not 1 to {MAX_RECIPIENTS} ids")
    if any(_ID.fullmatch(recipient) is None for recipient in recipients):
        _malformed("recipient_user_ids has an id that is not 1 to 128 characters of visible ASCII")
    if len(set(recipients)) != len(recipients):
        _malformed("recipient_user_ids has an id twice")
    return tuple(recipients)


def _payload(text: bytes, known: NotificationType) -> bytes:
    if len(text) > MAX_PAYLOAD_BYTES:
        _malformed(f"payload has more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        payload = msgspec.json.decode(text, type=known.payload)
        # msgspec keeps the last of two members of the same name; readers that disagree on which counts see two notifications.
        json.loads(text, object_pairs_hook=_refuse_duplicates)
    except msgspec.ValidationError as error:
        _malformed(f"payload is not as the catalogue says: {str(error)[:200]}")
    except (ValueError, RecursionError):
        _malformed("payload is not one JSON object with each name once")
    return msgspec.json.encode(payload)


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name is given twice")
