"""Target: the gateway's request envelope, as it comes from the network before any check, and what its client signed."""

from gateway.envelope import MAX_PAYLOAD_BYTES, Envelope, is_message_type, parse_envelope
from gateway.rejection import Rejection
from gateway.signing import REQUEST_DOMAIN, request_signing_input
from gateway.wire.gateway.v1.edge_gateway_pb2 import ExecuteCommandRequest, SubscribeEventsRequest

CODES = {"malformed_envelope", "unsupported_protocol_version"}


def check(data: bytes) -> bool:
    """An envelope is rejected with a documented code, or it is bounded and, told again, the same.

    Its signing input can be taken apart again: no two envelopes have the same one.
    """
    try:
        envelope = parse_envelope(data)
    except Rejection as rejection:
        assert rejection.code in CODES, rejection.code
        return False
    assert 0 < len(envelope.device_session_id) <= 128
    assert 0 < len(envelope.request_id) <= 128
    assert is_message_type(envelope.message_type)
    assert len(envelope.payload) <= MAX_PAYLOAD_BYTES
    assert (len(envelope.payload_hash), len(envelope.signature)) == (32, 64)
    assert parse_envelope(encode(envelope)) == envelope
    assert parse_envelope(data, SubscribeEventsRequest) == envelope
    assert apart(request_signing_input(envelope)) == [
        REQUEST_DOMAIN,
        envelope.protocol_version.encode(),
        envelope.device_session_id.encode(),
        envelope.message_type.encode(),
        envelope.timestamp_ms.to_bytes(8, "big", signed=True),
        envelope.request_id.encode(),
        envelope.payload_hash,
    ]
    return True


def apart(signing_input: bytes) -> list[bytes]:
    """The fields of a signing input: each has its length, 32 bit big endian, before it."""
    found = []
    while signing_input:
        end = 4 + int.from_bytes(signing_input[:4], "big")
        assert end <= len(signing_input)
        found.append(signing_input[4:end])
        signing_input = signing_input[end:]
    return found


def encode(envelope: Envelope) -> bytes:
    """The envelope as a client would send it."""
    return ExecuteCommandRequest(
        protocol_version=envelope.protocol_version,
        device_session_id=envelope.device_session_id,
        message_type=envelope.message_type,
        timestamp_ms=envelope.timestamp_ms,
        request_id=envelope.request_id,
        payload_bytes=envelope.payload,
        payload_hash=envelope.payload_hash,
        signature=envelope.signature,
        trace_id=envelope.trace_id,
    ).SerializeToString()
