"""Target: entries of `gateway:client-events`."""

import base64

from gateway.envelope import MAX_PAYLOAD_BYTES, is_message_type
from gateway.events import MalformedEntry, encode_event, parse_client_event
from gateway.signing import Signer
from gateway.wire.gateway.v1.edge_gateway_pb2 import SubscribeEventsResponse

from targets.inputs import fields

SIGNER = Signer(bytes(32))


def check(data: bytes) -> bool:
    """An entry is malformed, or an event that is bounded, says what the fields say, and can be sent to a client."""
    entry = fields(data)
    try:
        event = parse_client_event(entry)
    except MalformedEntry as error:
        assert str(error)
        return False
    assert is_message_type(event.event_type)
    assert len(event.payload) <= MAX_PAYLOAD_BYTES
    assert base64.b64decode(entry["payload"]) == event.payload
    assert str(event.occurred_at_ms).encode() == entry["occurred_at_ms"]
    assert event.user_id.encode() == entry["user_id"]
    sent = encode_event(
        SIGNER,
        event_id=event.event_id,
        event_type=event.event_type,
        timestamp_ms=event.occurred_at_ms,
        payload=event.payload,
        trace_id=event.trace_id,
    )
    assert SubscribeEventsResponse.FromString(sent).payload_bytes == event.payload
    return True
