"""Intents that match the catalogue."""

import json
from typing import Any

from notification import catalogue
from notification.catalogue import Catalogue
from notification.intents import Intent, parse

CATALOGUE: Catalogue = catalogue.load()

_VALUES: dict[str, object] = {
    "game_id": "g-1",
    "game_name": "Evening round",
    "applicant_user_id": "u-applicant",
    "inviter_user_id": "u-inviter",
    "invitee_user_id": "u-invitee",
    "user_id": "u-left",
    "race_name": "Terrans",
    "reason": "removed",
    "error_code": "image_pull_failed",
    "error_message": "no such image",
    "image_ref": "seatrial/engine:1.2.3",
    "attempted_at_ms": 1790000000000,
}


def payload(notification_type: str) -> dict[str, Any]:
    """A payload of that type."""
    return {field: _VALUES[field] for field in CATALOGUE[notification_type].fields}


def fields(of: str = "lobby.invite_created", /, **changes: object) -> dict[str, bytes]:
    """The fields of the entry of an intent of that type; None leaves one out, what is no text is written as JSON."""
    audience = CATALOGUE[of].audience_kind
    entry: dict[str, object] = {
        "notification_type": of,
        "producer": of.partition(".")[0],
        "audience_kind": audience,
        "recipient_user_ids": ["u-1"] if audience == "user" else [],
        "idempotency_key": "key-1",
        "occurred_at_ms": "1790000000000",
        "request_id": "request-1",
        "trace_id": "",
        "payload": payload(of),
    }
    return {
        name: value
        if isinstance(value, bytes)
        else (value if isinstance(value, str) else json.dumps(value)).encode()
        for name, value in (entry | changes).items()
        if value is not None
    }


def intent(of: str = "lobby.invite_created", /, **changes: object) -> Intent:
    """An intent of that type."""
    return parse(fields(of, **changes), CATALOGUE)
