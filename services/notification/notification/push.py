"""The channel push: events for the gateway's streams."""

import base64
from collections.abc import Sequence
from typing import Final

import msgspec

from notification.publishing import Message, Publisher, published
from notification.routes import Claimed, Delivered, Result

STREAM: Final = "gateway:client-events"


class _Event(msgspec.Struct, frozen=True):
    notification_type: str
    occurred_at_ms: int
    payload: msgspec.Raw


_ENCODER: Final = msgspec.json.Encoder()


def message(route: Claimed) -> Message:
    """The entry of a route (api/streams.schema.json, `client_event`)."""
    event = _Event(route.notification_type, route.occurred_at_ms, msgspec.Raw(route.payload))
    fields = {
        "event_id": route.delivery_id,
        "event_type": route.notification_type,
        "user_id": route.recipient,
        "payload": base64.b64encode(_ENCODER.encode(event)).decode(),
        "occurred_at_ms": str(route.occurred_at_ms),
    }
    if route.trace_id:
        fields["trace_id"] = route.trace_id
    return Message(route.delivery_id, fields)


class Push:
    """Delivers pushes."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def deliver(self, routes: Sequence[Claimed]) -> list[Result]:
        """Attempt routes."""
        return await published(self._publisher, [(message(route), Delivered()) for route in routes])
