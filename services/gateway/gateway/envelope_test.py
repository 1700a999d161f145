from typing import Any, Literal

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from gateway.envelope import MAX_PAYLOAD_BYTES, Envelope, parse_envelope
from gateway.rejection import Rejection
from gateway.testing.device import Device, encode
from gateway.wire.gateway.v1.edge_gateway_pb2 import ExecuteCommandRequest, SubscribeEventsRequest

FieldName = Literal[
    "protocol_version", "device_session_id", "message_type", "timestamp_ms", "request_id",
    "payload_bytes", "payload_hash", "signature", "trace_id",
]  # fmt: skip

visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)
words = st.from_regex(r"[a-z][a-z0-9_]{0,20}(\.[a-z0-9_]{1,20}){1,4}", fullmatch=True)
envelopes = st.builds(
    Envelope,
    device_session_id=visible,
    message_type=words,
    timestamp_ms=st.integers(1, 2**63 - 1),
    request_id=visible,
    payload=st.binary(max_size=300),
    payload_hash=st.binary(min_size=32, max_size=32),
    signature=st.binary(min_size=64, max_size=64),
    trace_id=st.none() | st.from_regex(r"[0-9a-f]{31}[1-9a-f]", fullmatch=True),
)


def valid(**changes: Any) -> ExecuteCommandRequest:
    message = ExecuteCommandRequest.FromString(
        encode(Device().envelope(trace_id="0af7651916cd43dd8448eb211c80319c"))
    )
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def without(field: FieldName, *more: FieldName) -> bytes:
    message = valid()
    for name in (field, *more):
        message.ClearField(name)
    return message.SerializeToString()


def code_of(raw: bytes) -> str:
    with pytest.raises(Rejection) as caught:
        parse_envelope(raw)
    return caught.value.code


@given(envelopes)
def test_what_was_encoded_is_parsed(envelope: Envelope) -> None:
    assert parse_envelope(encode(envelope)) == envelope


@given(envelopes)
def test_both_methods_take_the_same_envelope(envelope: Envelope) -> None:
    assert parse_envelope(encode(envelope), SubscribeEventsRequest) == envelope


@given(st.binary(max_size=400))
def test_any_bytes_are_parsed_or_refused_with_a_code(raw: bytes) -> None:
    codes: set[str] = set()
    try:
        assert encode(parse_envelope(raw))
    except Rejection as rejection:
        codes = {rejection.code}
    assert codes <= {"malformed_envelope", "unsupported_protocol_version"}


@given(envelopes, st.data())
def test_a_truncated_envelope_is_never_accepted(envelope: Envelope, data: st.DataObject) -> None:
    raw = encode(envelope)
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    try:
        parsed = parse_envelope(cut)
    except Rejection:
        return
    # The trace id is optional and last: an envelope that was cut before it is another, complete one.
    assert envelope.trace_id is not None
    assert parsed.trace_id is None


@pytest.mark.parametrize(
    "field",
    [
        "protocol_version",
        "device_session_id",
        "message_type",
        "timestamp_ms",
        "request_id",
        "payload_hash",
        "signature",
    ],
)
def test_every_field_but_payload_and_trace_id_is_required(field: FieldName) -> None:
    assert code_of(without(field)) == "malformed_envelope"


def test_payload_and_trace_id_may_be_absent() -> None:
    parsed = parse_envelope(without("payload_bytes", "trace_id"))
    assert parsed.payload == b""
    assert parsed.trace_id is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("protocol_version", "v" * 17),
        ("device_session_id", "s" * 129),
        ("device_session_id", "a b"),
        ("device_session_id", "gr\u00fcn"),
        ("message_type", "lobby"),
        ("message_type", "Lobby.join"),
        ("message_type", "lobby..join"),
        ("message_type", ".join"),
        ("message_type", "lobby.join\n"),
        ("message_type", "a." + "b" * 127),
        ("timestamp_ms", -1),
        ("request_id", "r" * 129),
        ("request_id", "a\r\nx-user-id:b"),
        ("payload_bytes", bytes(MAX_PAYLOAD_BYTES + 1)),
        ("payload_hash", bytes(31)),
        ("payload_hash", bytes(33)),
        ("signature", bytes(63)),
        ("signature", bytes(65)),
        ("trace_id", "0" * 32),
        ("trace_id", "A" * 32),
        ("trace_id", "a" * 31),
    ],
)
def test_out_of_bounds_is_malformed(field: str, value: object) -> None:
    assert code_of(valid(**{field: value}).SerializeToString()) == "malformed_envelope"


def test_bounds_themselves_are_allowed() -> None:
    message = valid(
        device_session_id="s" * 128,
        request_id="r" * 128,
        message_type="a." + "b" * 126,
        payload_bytes=bytes(MAX_PAYLOAD_BYTES),
        timestamp_ms=1,
    )
    assert parse_envelope(message.SerializeToString()).message_type == message.message_type


@pytest.mark.parametrize("raw", [b"", b"\xff", b"\x0a\x05v1", b"\x0a\x02\xff\xff", b"{}", b"\x0b"])
def test_what_is_no_message_is_malformed(raw: bytes) -> None:
    assert code_of(raw) == "malformed_envelope"


@pytest.mark.parametrize("addition", [b"\xa0\x06\x01", b"\xa2\x06\x01x", b"\x0d\x01\x02\x03\x04"])
def test_an_unknown_field_is_malformed(addition: bytes) -> None:
    assert code_of(valid().SerializeToString() + addition) == "malformed_envelope"


@pytest.mark.parametrize("field", [field.name for field in ExecuteCommandRequest.DESCRIPTOR.fields])
def test_a_field_given_twice_is_malformed(field: str) -> None:
    message = valid()
    again = ExecuteCommandRequest()
    setattr(again, field, getattr(message, field))
    assert code_of(message.SerializeToString() + again.SerializeToString()) == "malformed_envelope"


def test_an_overlong_number_is_malformed() -> None:
    raw = without("timestamp_ms")
    parse_envelope(raw + b"\x20\x05")
    assert code_of(raw + b"\x20\x85\x00") == "malformed_envelope"


def test_another_version_is_unsupported_only_when_all_else_is_right() -> None:
    assert code_of(valid(protocol_version="v2").SerializeToString()) == "unsupported_protocol_version"
    assert code_of(valid(protocol_version="v2", signature=b"x").SerializeToString()) == "malformed_envelope"
    assert code_of(valid(protocol_version="v2").SerializeToString() + b"\xa0\x06\x01") == "malformed_envelope"


def test_the_two_requests_are_the_same_message() -> None:
    def shape(message: type[Message]) -> list[object]:
        return [
            (field.number, field.name, field.type, field.has_presence) for field in message.DESCRIPTOR.fields
        ]

    assert shape(ExecuteCommandRequest) == shape(SubscribeEventsRequest)
