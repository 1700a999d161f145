"""A request id is accepted once: at once or later, at one gateway or at two, whatever else is wrong."""

import functools
from collections.abc import Callable

import pytest

from contracts.gateway.envelope import now_ms
from gateway_authsession.topology import PATIENCE_MS, Platform
from seatrial import until


@pytest.mark.smoke
def test_a_request_is_executed_once(platform: Platform) -> None:
    device = platform.sign_in()
    envelope = device.envelope()
    device.send(envelope)
    for _ in range(3):
        device.expect_rejected("replayed_request", envelope)
    device.expect_rejected(
        "replayed_request", device.envelope(request_id=envelope.request_id, payload_bytes=b"other")
    )
    assert len(platform.commands.executed) == 1


def test_two_gateways_on_one_store_accept_a_request_once(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=2)
    first = platform.sign_in()
    second = first.at(platform.gateways[1].edge)
    for here, there in ((first, second), (second, first)):
        envelope = here.envelope()
        here.send(envelope)
        there.expect_rejected("replayed_request", envelope)
    for _ in range(10):  # and now both at the same time
        raced = first.envelope()
        calls = [functools.partial(device.rejection, raced) for device in (first, second) * 4]
        assert sorted(platform.together(*calls)) == ["accepted"] + ["replayed_request"] * 7
    assert len(platform.commands.executed) == 12


def test_a_request_ahead_of_the_clock_is_accepted_once_for_as_long_as_it_is_fresh(
    boot: Callable[..., Platform],
) -> None:
    device = boot(gateway_settings={"FRESHNESS_WINDOW_MS": "1000"}).sign_in()
    envelope = device.envelope(timestamp_ms=now_ms() + 900)  # fresh for nearly twice the window from now on
    device.send(envelope)
    told = set()

    def stale() -> bool:
        told.add(device.rejection(envelope))
        return "stale_request" in told

    until("the request to be too old", stale)
    assert told <= {"replayed_request", "stale_request"}


def test_a_request_id_is_used_up_from_the_sixth_check_on(boot: Callable[..., Platform]) -> None:
    platform = boot(gateway_settings={"DOWNSTREAM_TIMEOUT_MS": PATIENCE_MS})
    device = platform.sign_in()
    before = device.envelope()
    device.expect_rejected("invalid_signature", before.but(signature=bytes(64)))
    device.expect_rejected("stale_request", before.but(timestamp_ms=1))
    device.send(before)
    unrouted, gone, slow = device.envelope("nobody.knows"), device.envelope(), device.envelope()
    device.expect_rejected("unknown_message_type", unrouted)
    with platform.commands.gone():
        device.expect_rejected("downstream_unavailable", gone)
    with platform.commands.delayed(2.0):
        device.expect_rejected("downstream_timeout", slow)
    for envelope in (before, unrouted, gone, slow):
        device.expect_rejected("replayed_request", envelope)
    assert len(platform.commands.executed) == 2


def test_a_request_id_belongs_to_one_session_and_to_both_methods(platform: Platform) -> None:
    ada, bob = platform.sign_in("ada@example.test"), platform.sign_in("bob@example.test")
    for request_id in ("one", "a:b", "a", "a:", ":a", "A"):
        ada.execute(request_id=request_id)
        bob.execute(request_id=request_id)
    assert ada.subscription_rejection(ada.subscription(request_id="one")) == "replayed_request"
    with bob.subscribe(bob.subscription(request_id="two")):
        bob.expect_rejected("replayed_request", bob.envelope(request_id="two"))


def test_a_replay_is_refused_after_the_gateway_was_restarted(boot: Callable[..., Platform]) -> None:
    platform = boot(mode="cold")
    device = platform.sign_in()
    envelope = device.envelope()
    device.send(envelope)
    platform.gateway.restart()
    device.at(platform.gateway.edge).expect_rejected("replayed_request", envelope)
