from dataclasses import replace

import pytest

from gateway.checks import check_freshness, check_payload_hash, check_signature
from gateway.rejection import Rejection
from gateway.sessions import Session
from gateway.testing.device import Device


def session_of(device: Device) -> Session:
    return Session("session-1", "user-1", "active", device.key.public_key().public_bytes_raw())


def test_payload_and_its_hash(device: Device) -> None:
    envelope = device.envelope()
    check_payload_hash(envelope)
    for other in (replace(envelope, payload=b""), replace(envelope, payload_hash=bytes(32))):
        with pytest.raises(Rejection) as caught:
            check_payload_hash(other)
        assert caught.value.code == "payload_hash_mismatch"


def test_the_sessions_key_over_every_signed_field(device: Device) -> None:
    envelope = device.envelope()
    check_signature(envelope, session_of(device))
    check_signature(replace(envelope, payload=b"checked by its hash", trace_id="a" * 32), session_of(device))


@pytest.mark.parametrize(
    "changes",
    [
        {"device_session_id": "session-2"},
        {"message_type": "lobby.games.leave"},
        {"timestamp_ms": 1},
        {"request_id": "other"},
        {"payload_hash": bytes(32)},
        {"protocol_version": "v2"},
        {"signature": bytes(64)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_changed_field_is_not_signed(device: Device, changes: dict[str, object]) -> None:
    with pytest.raises(Rejection) as caught:
        check_signature(replace(device.envelope(), **changes), session_of(device))  # type: ignore[arg-type]
    assert caught.value.code == "invalid_signature"


def test_another_devices_signature_is_not_the_sessions(device: Device) -> None:
    with pytest.raises(Rejection) as caught:
        check_signature(Device().envelope(), session_of(device))
    assert caught.value.code == "invalid_signature"


@pytest.mark.parametrize("distance", [0, 300_000, -300_000])
def test_fresh_within_the_window_and_at_its_ends(device: Device, distance: int) -> None:
    check_freshness(device.envelope(timestamp_ms=1_000_000 + distance), 1_000_000, 300_000)


@pytest.mark.parametrize("distance", [300_001, -300_001])
def test_stale_outside_the_window(device: Device, distance: int) -> None:
    with pytest.raises(Rejection) as caught:
        check_freshness(device.envelope(timestamp_ms=1_000_000 + distance), 1_000_000, 300_000)
    assert caught.value.code == "stale_request"
