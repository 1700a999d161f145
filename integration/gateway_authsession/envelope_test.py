"""The nine checks of the envelope, each alone, and their order: of two faults the earlier one is told."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest

from contracts.gateway.commands import CommandService
from contracts.gateway.device import Device
from contracts.gateway.edge import Rejected
from contracts.gateway.envelope import SUBSCRIBE_TYPE, Envelope, now_ms
from contracts.gateway.signing import DeviceKey
from gateway_authsession.topology import PATIENCE_MS, Platform
from seatrial import Environment

BUDGET: Final = 70  # no device sends more combinations than that
USED: Final = "used-already"
CHECKS: Final = {
    "malformed": "malformed_envelope",
    "version": "unsupported_protocol_version",
    "unknown": "unknown_session",
    "revoked": "session_revoked",
    "hash": "payload_hash_mismatch",
    "signature": "invalid_signature",
    "stale": "stale_request",
    "replay": "replayed_request",
    "budget": "rate_limited",
    "route": "unknown_message_type",
    "gone": "downstream_unavailable",
}
"""A fault for each check, in the order of the checks, and the code that tells it."""
EXCLUSIVE: Final = {frozenset(pair) for pair in (("unknown", "revoked"), ("route", "gone"))}
"""Faults that cannot be in one request."""
FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "malformed": {"trace_id": "not a trace id"},
    "version": {"protocol_version": "v2"},
    "unknown": {"device_session_id": "no-such-session"},
    "revoked": {},  # by the device that sends
    "hash": {"payload_hash": hashlib.sha256(b"another payload").digest()},
    "signature": {"signature": bytes(64)},
    "stale": {"timestamp_ms": now_ms() - 3_600_000},
    "replay": {"request_id": USED},
    "budget": {},  # by the device that sends
    "route": {"message_type": "nobody.knows"},
    "gone": {"message_type": "dead.command"},
}


@dataclass(frozen=True)
class Devices:
    """Devices of all four kinds; each has used one request id already."""

    fit: Device
    spent: Device
    revoked: Device
    revoked_and_spent: Device

    def sender(self, faults: frozenset[str]) -> Device:
        if "revoked" in faults:
            return self.revoked_and_spent if "budget" in faults else self.revoked
        return self.spent if "budget" in faults else self.fit


@pytest.fixture
def devices(boot: Callable[..., Platform]) -> Devices:
    platform = boot(
        gateway_settings={
            "LIMIT_COMMAND_SESSION": f"{BUDGET}/3600",
            "ROUTES": "dead.=http://127.0.0.1:9",  # the discard port: nobody listens
        }
    )
    all_four = Devices(*(platform.sign_in(f"{name}@example.test") for name in ("a", "b", "c", "d")))
    for device in (all_four.fit, all_four.spent, all_four.revoked, all_four.revoked_and_spent):
        device.expect_rejected("unknown_message_type", device.envelope("no.route", request_id=USED))
    for device in (all_four.spent, all_four.revoked_and_spent):
        while device.rejection(device.envelope("no.route")) != "rate_limited":
            pass
    for device in (all_four.revoked, all_four.revoked_and_spent):
        platform.authsession.revoke(device.session_id).expect(200)
    return all_four


def combinations() -> Iterator[tuple[str, frozenset[str]]]:
    """Every fault alone and every pair of faults that can meet, with the code of the earlier one."""
    for first, second in itertools.combinations_with_replacement(CHECKS, 2):
        if frozenset((first, second)) not in EXCLUSIVE:
            yield CHECKS[first], frozenset((first, second))


def envelope(device: Device, faults: frozenset[str], message_type: str) -> Envelope:
    fields: dict[str, Any] = {"message_type": message_type}
    for fault in CHECKS:
        if fault in faults:
            fields |= FIELDS[fault]
    return device.envelope(**fields)


def test_an_earlier_check_of_a_command_hides_the_later_ones(devices: Devices) -> None:
    wrong = []
    for code, faults in combinations():
        device = devices.sender(faults)
        told = device.rejection(envelope(device, faults, "dead.command"))
        # A command that is in order fails at the ninth check here: its service is gone.
        wrong += [f"{sorted(faults)}: expected {code}, got {told}"] if told != code else []
    assert not wrong


def test_an_earlier_check_of_a_subscription_hides_the_later_ones(devices: Devices) -> None:
    wrong = []
    for code, faults in combinations():
        if "gone" in faults:
            continue
        device = devices.sender(faults)
        told = device.subscription_rejection(envelope(device, faults, SUBSCRIBE_TYPE))
        wrong += [f"{sorted(faults)}: expected {code}, got {told}"] if told != code else []
    assert not wrong


@pytest.fixture
def device(platform: Platform) -> Device:
    return platform.sign_in()


@pytest.mark.smoke
def test_every_field_has_its_bounds(device: Device) -> None:
    faults: list[Mapping[str, Any]] = [
        *({name: ""} for name in ("protocol_version", "device_session_id", "message_type", "request_id")),
        *({name: "x" * 129} for name in ("protocol_version", "device_session_id", "request_id")),
        *({name: "a b"} for name in ("device_session_id", "request_id")),
        *({name: "\u00e9"} for name in ("device_session_id", "request_id", "message_type")),
        *(
            {"message_type": text}
            for text in ("single", "Upper.case", "a..b", ".a", "a.", "a.-", "a." + "b" * 127)
        ),
        *({"timestamp_ms": value} for value in (0, -1, -(2**63))),
        *({"payload_hash": bytes(size)} for size in (0, 31, 33)),
        *({"signature": bytes(size)} for size in (0, 63, 65)),
        *({"trace_id": text} for text in ("0" * 32, "A" * 32, "a" * 31, "a" * 33)),
        {"payload_bytes": bytes(65_537)},
    ]
    wrong = [
        (next(iter(fields.items())), each)
        for fields in faults
        for each in (
            device.rejection(device.envelope(**fields)),
            device.subscription_rejection(device.subscription(**fields)),
        )
        if each != "malformed_envelope"
    ]
    assert not wrong
    for fields in (
        {"payload_bytes": b""},
        {"payload_bytes": bytes(65_536)},
        {"request_id": "r"},
        {"request_id": "~" * 128},
        {"message_type": "user." + "a" * 123},
        {"trace_id": "0" * 31 + "1"},
    ):
        device.send(device.envelope(**fields))


def test_bytes_that_are_no_canonical_envelope_are_malformed(device: Device) -> None:
    right = device.envelope().encoded(device.key)
    mutants = {
        "nothing": b"",
        "noise": b"\xff" * 40,
        "text": b"hello, gateway",
        **{f"cut at {size}": right[:size] for size in range(1, len(right), 7)},
        "an unknown field": right + b"\x7a\x01x",
        "an unknown group": right + b"\x7b\x7c",
        "a field twice": right + b"\x2a\x01x",
        "an overlong varint": right + b"\x20\x81\x80\x00",
        "two envelopes": right * 2,
        "bad UTF-8": right.replace(b"v1", b"\xffv", 1),
        "a wrong wire type": b"\x08\x01" + right,
    }
    accepted = []
    for name, raw in mutants.items():
        for send in (device.edge.execute, device.edge.read_subscription):
            try:
                send(raw, "")
                accepted.append(name)
            except Rejected as refused:
                if refused.code != "malformed_envelope":
                    accepted.append(f"{name}: {refused.code}")
    assert not accepted
    # What only the transport refuses leaves the gateway standing too.
    assert device.edge.transport_status(bytes(5 * 1024 * 1024)) == "RESOURCE_EXHAUSTED"
    assert device.edge.unknown_method() == "UNIMPLEMENTED"
    device.execute()


def test_a_signature_holds_every_field_its_borders_and_its_session(platform: Platform) -> None:
    ada, bob = platform.sign_in("ada@example.test"), platform.sign_in("bob@example.test")
    right = ada.envelope("user.ab", request_id="1-request")
    signature = right.message(ada.key).signature
    other = hashlib.sha256(b"other").digest()
    forged = [
        right.but(signature=signature, message_type="user.other"),
        right.but(signature=signature, timestamp_ms=right.timestamp_ms + 1),
        right.but(signature=signature, request_id="another"),
        right.but(signature=signature, payload_bytes=b"other", payload_hash=other),
        right.but(signature=signature, message_type="user.a", request_id="b1-request"),
        right.but(signature=signature, device_session_id=bob.session_id),
    ]
    assert [ada.rejection(envelope) for envelope in forged] == ["invalid_signature"] * 6
    Device(ada.edge, ada.session_id, DeviceKey()).expect_rejected("invalid_signature")
    Device(ada.edge, ada.session_id, bob.key).expect_rejected("invalid_signature")
    ada.send(right)


def test_freshness_has_two_sides(boot: Callable[..., Platform]) -> None:
    device = boot(gateway_settings={"FRESHNESS_WINDOW_MS": "60000"}).sign_in()
    for offset in (-50_000, 50_000):
        device.execute(timestamp_ms=now_ms() + offset)
    for offset in (-61_000, 70_000, -(10**12), 10**15):
        device.expect_rejected("stale_request", device.envelope(timestamp_ms=now_ms() + offset))


def test_trace_and_answer_of_the_service_are_passed_on(platform: Platform) -> None:
    device = platform.sign_in()
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    device.execute(trace_id=trace_id, request_id="traced")
    device.execute(request_id="untraced")
    traced, untraced = platform.commands.executed
    assert (traced.trace_id, traced.request_id) == (trace_id, "traced")
    assert untraced.trace_id != trace_id
    for status in (200, 204, 301, 404, 409, 422, 499):
        with platform.commands.answering(status, b"" if status == 204 else b"answer"):
            response = device.execute()
        assert (response.status_code, response.payload_bytes) == (status, b"" if status == 204 else b"answer")


def test_the_longest_prefix_owns_a_message_type(
    boot: Callable[..., Platform], environment: Environment
) -> None:
    owner = environment.stub(CommandService())
    routes = f"user.=http://127.0.0.1:9,user.profile.={owner.url()}"  # the discard port: nobody listens
    device = boot(gateway_settings={"ROUTES": routes}).sign_in()
    device.execute("user.profile.rename")
    device.expect_rejected("downstream_unavailable", device.envelope("user.profiles"))
    assert [command.message_type for command in owner.executed] == ["user.profile.rename"]


def test_a_command_whose_answer_was_lost_is_sent_once(platform: Platform) -> None:
    device = platform.sign_in()
    device.execute()  # from here on there is a connection that can be lost
    with platform.commands.dropping(handled=True):
        device.expect_rejected("downstream_unavailable")
    assert [call.fault for call in platform.commands.calls] == [None, "dropping"]


def test_a_service_that_fails_is_unavailable_and_one_that_hangs_a_timeout(
    boot: Callable[..., Platform],
) -> None:
    platform = boot(gateway_settings={"DOWNSTREAM_TIMEOUT_MS": PATIENCE_MS})
    device = platform.sign_in()
    faults = {
        "failing": platform.commands.failing(500),
        "dropping": platform.commands.dropping(),
        "answering too much": platform.commands.answering(200, bytes(262_145)),
        "answering half": platform.commands.truncating(1),
        "gone": platform.commands.gone(),
    }
    for name, fault in faults.items():
        with platform.environment.step(f"the service is {name}"), fault:
            device.expect_rejected("downstream_unavailable")
    with platform.commands.paused():
        device.expect_rejected("downstream_timeout")
    with platform.commands.answering(200, bytes(262_144)):
        assert len(device.execute().payload_bytes) == 262_144
    device.execute()
