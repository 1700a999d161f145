"""A producer of notification intents, and what comes of them on the streams of other services."""

import base64
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.http import loads_strictly
from contracts.streams import schema
from contracts.streams.stream_log import Entry, StreamLog

GAME: Final = {"game_id": "g-" + "0" * 32, "game_name": "Trafalgar"}


def intent(
    notification_type: str = "lobby.game_started",
    recipients: Sequence[str] = ("user-1",),
    payload: Mapping[str, Any] = GAME,
    *,
    key: str | None = None,
    producer: str = "lobby",
) -> dict[str, str]:
    """The fields of a right intent; without recipients it is for the administrators."""
    return {
        "notification_type": notification_type,
        "producer": producer,
        "audience_kind": "user" if recipients else "admin_email",
        "recipient_user_ids": json.dumps(list(recipients)),
        "idempotency_key": key or f"{notification_type}:{uuid.uuid4()}",
        "occurred_at_ms": str(time.time_ns() // 1_000_000),
        "request_id": str(uuid.uuid4()),
        "trace_id": "",
        "payload": json.dumps(payload),
    }


class Notifications:
    """What is told to whom, in one Redis."""

    def __init__(self, streams: StreamLog) -> None:
        self.streams = streams

    def publish(self, fields: Mapping[str, str]) -> str:
        """Publishes an intent, as any service may; returns its idempotency key."""
        self.streams.publish(schema.INTENTS, fields)
        return fields["idempotency_key"]

    def tell(self, *recipients: str, **options: Any) -> str:
        """Publishes a right intent for these users; returns its idempotency key."""
        return self.publish(intent(recipients=recipients, **options))

    def intents(self, notification_type: str) -> list[Entry]:
        """Every intent of a type so far."""
        entries = self.streams.entries(schema.INTENTS)
        return [entry for entry in entries if entry["notification_type"] == notification_type]

    def pushes(self, user_id: str) -> list[tuple[str, Any]]:
        """What was pushed to a user so far: each event's type and the intent's payload in it."""
        return [
            (entry["event_type"], _payload(entry)) for entry in self._pushed() if entry["user_id"] == user_id
        ]

    def wait_push(self, user_id: str, notification_type: str) -> Any:
        """The payload of the first push of a type to a user, once it is there."""
        entry = self.streams.wait_for(
            schema.CLIENT_EVENTS,
            f"{notification_type} for {user_id}",
            lambda entry: (entry["user_id"], entry["event_type"]) == (user_id, notification_type),
        )
        return _payload(entry)

    def mails(self, address: str) -> list[Entry]:
        """The mails that were ordered for an address so far."""
        entries = self.streams.entries(schema.MAIL_COMMANDS)
        return [entry for entry in entries if entry["recipient_email"] == address]

    def wait_mail(self, address: str, template: str) -> Entry:
        """The first mail of a template for an address, once it was ordered."""
        return self.streams.wait_for(
            schema.MAIL_COMMANDS,
            f"{template} for {address}",
            lambda entry: (entry["recipient_email"], entry["template"]) == (address, template),
        )

    def rejected(self) -> list[Entry]:
        """The intents that were set aside so far."""
        return self.streams.entries(schema.rejected(schema.INTENTS))

    def wait_handled(self) -> None:
        """Waits until every intent so far was taken in; what comes of it may still be on its way."""
        self.streams.wait_handled(schema.INTENTS, "notification")

    def _pushed(self) -> list[Entry]:
        return self.streams.entries(schema.CLIENT_EVENTS)


def _payload(entry: Entry) -> Any:
    document = loads_strictly(base64.b64decode(entry["payload"], validate=True))
    return document["payload"]
