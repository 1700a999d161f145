"""Target: the gateway's request envelope, as it comes from the network before any check."""

from gateway.envelope import MAX_PAYLOAD_BYTES, Envelope, is_message_type, parse_envelope
from gateway.rejection import Rejection
from gateway.wire.gateway.v1.edge_gateway_pb2 import ExecuteCommandRequest

CODES = {"malformed_envelope", "unsupported_protocol_version"}


def check(data: bytes) -> Envelope | None:
    """Parse `data`; the envelope if it is one. Raises AssertionError when a promise of the parser does not hold."""
    try:
        envelope = parse_envelope(data)
    except Rejection as rejection:
        assert rejection.code in CODES, rejection.code
        return None
    assert 0 < len(envelope.device_session_id) <= 128
    assert 0 < len(envelope.request_id) <= 128
    assert is_message_type(envelope.message_type)
    assert len(envelope.payload) <= MAX_PAYLOAD_BYTES
    assert (len(envelope.payload_hash), len(envelope.signature)) == (32, 64)
    assert parse_envelope(encode(envelope)) == envelope
    return envelope


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
