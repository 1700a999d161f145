import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events import (
    OPTIONAL_FIELDS,
    REQUIRED_FIELDS,
    ClientEvent,
    MalformedEntry,
    encode_event,
    parse_client_event,
)
from gateway.signing import Signer, event_signing_input, is_signed_by
from gateway.wire.gateway.v1.edge_gateway_pb2 import SubscribeEventsResponse

SCHEMA = json.loads((Path(__file__).parents[1] / "api" / "streams.schema.json").read_text())["$defs"]
ENTRY = {
    "event_id": b"event-1",
    "event_type": b"lobby.game.started",
    "user_id": b"user-1",
    "device_session_id": b"session-1",
    "payload": base64.b64encode(b'{"game_id":"g-1"}'),
    "occurred_at_ms": b"1790000000000",
    "trace_id": b"0af7651916cd43dd8448eb211c80319c",
}


def test_a_whole_entry() -> None:
    assert parse_client_event(ENTRY) == ClientEvent(
        event_id="event-1",
        event_type="lobby.game.started",
        user_id="user-1",
        device_session_id="session-1",
        payload=b'{"game_id":"g-1"}',
        occurred_at_ms=1790000000000,
        trace_id="0af7651916cd43dd8448eb211c80319c",
    )


def test_the_least_entry() -> None:
    event = parse_client_event({name: ENTRY[name] for name in REQUIRED_FIELDS} | {"payload": b""})
    assert (event.device_session_id, event.trace_id, event.payload) == (None, None, b"")


def test_fields_are_the_published_ones() -> None:
    assert set(SCHEMA["client_event"]["required"]) == set(REQUIRED_FIELDS)
    assert set(SCHEMA["client_event"]["properties"]) == {*REQUIRED_FIELDS, *OPTIONAL_FIELDS}


@pytest.mark.parametrize("field", REQUIRED_FIELDS)
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(MalformedEntry, match=f"{field} is missing"):
        parse_client_event({name: value for name, value in ENTRY.items() if name != field})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", b""),
        ("event_id", b"a b"),
        ("event_id", b"\xff"),
        ("user_id", b"u" * 129),
        ("device_session_id", b""),
        ("event_type", b"Lobby"),
        ("event_type", b"a." + b"b" * 127),
        ("payload", b"not base64!"),
        ("payload", b"AAA"),
        ("payload", base64.b64encode(bytes(65537))),
        ("occurred_at_ms", b"0"),
        ("occurred_at_ms", b"-5"),
        ("occurred_at_ms", b"1e9"),
        ("occurred_at_ms", b"9" * 17),
        ("trace_id", b"0" * 32),
        ("unheard_of", b"1"),
    ],
)
def test_a_malformed_field_is_named_without_its_value(field: str, value: bytes) -> None:
    with pytest.raises(MalformedEntry) as caught:
        parse_client_event(ENTRY | {field: value})
    assert field in str(caught.value) or "unknown field" in str(caught.value)
    assert not value or value.decode("latin-1") not in str(caught.value)


@given(st.dictionaries(st.sampled_from([*ENTRY, "other"]), st.binary(max_size=40)))
def test_any_entry_is_parsed_or_refused(fields: dict[str, bytes]) -> None:
    try:
        event = parse_client_event(fields)
    except MalformedEntry:
        return
    assert event.event_id.encode() == fields["event_id"]


def test_an_event_is_signed_and_says_what_happened() -> None:
    signer = Signer(bytes(32))
    event = SubscribeEventsResponse.FromString(
        encode_event(
            signer, event_id="event-1", event_type="lobby.x", timestamp_ms=5, payload=b"p", trace_id="t"
        )
    )
    assert (event.event_id, event.event_type, event.timestamp_ms, event.payload_bytes) == (
        "event-1",
        "lobby.x",
        5,
        b"p",
    )
    assert (event.payload_hash, event.trace_id) == (hashlib.sha256(b"p").digest(), "t")
    signed = event_signing_input(
        event_id="event-1", event_type="lobby.x", timestamp_ms=5, payload_hash=event.payload_hash
    )
    assert is_signed_by(base64.b64decode(signer.published.public_key), event.signature, signed)
