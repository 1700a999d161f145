"""Push: who gets which event, in which order, and how a stream ends."""

import json
from collections.abc import Callable
from typing import Final

import pytest

from contracts.streams.schema import CLIENT_EVENTS
from gateway_authsession.topology import Platform
from seatrial import until

ADA, BOB = "ada@example.test", "bob@example.test"
STARTED: Final = "lobby.game.started"


@pytest.mark.smoke
def test_an_event_reaches_every_session_of_its_user_and_nobody_else(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession_settings={"SEND_INTERVAL_MS": "1"})
    phone, tablet, other = platform.sign_in(ADA), platform.sign_in(ADA), platform.sign_in(BOB)
    ada, bob = platform.users.id_of(ADA), platform.users.id_of(BOB)
    with phone.subscribe() as on_phone, tablet.subscribe() as on_tablet, other.subscribe() as elsewhere:
        event_id = platform.streams.publish_event(STARTED, ada, b"go", trace_id="0" * 31 + "7")
        platform.streams.publish_event("lobby.game.ended", bob)
        for events in (on_phone, on_tablet):
            event = events.expect_event(STARTED)
            assert (event.event_id, event.payload_bytes, event.trace_id) == (event_id, b"go", "0" * 31 + "7")
        elsewhere.expect_event("lobby.game.ended")


def test_an_event_for_one_session_reaches_that_one_alone(boot: Callable[..., Platform]) -> None:
    platform = boot(authsession_settings={"SEND_INTERVAL_MS": "1"})
    phone, tablet = platform.sign_in(ADA), platform.sign_in(ADA)
    ada, bob = platform.users.id_of(ADA), platform.users.id_of(BOB)
    with phone.subscribe() as on_phone, tablet.subscribe() as on_tablet:
        platform.streams.publish_event("chat.to.phone", ada, device_session_id=phone.session_id)
        platform.streams.publish_event("chat.of.others", bob, device_session_id=tablet.session_id)
        platform.streams.publish_event("chat.to.all", ada)
        on_phone.expect_event("chat.to.phone")
        on_phone.expect_event("chat.to.all")
        on_tablet.expect_event("chat.to.all")


def test_a_stream_begins_with_the_server_s_time_and_keeps_the_order(platform: Platform) -> None:
    device = platform.sign_in(ADA)
    user = platform.users.id_of(ADA)
    envelope = device.subscription()
    first = device.edge.read_subscription(envelope.encoded(device.key), envelope.request_id)
    assert json.loads(first.payload_bytes) == {"server_time_ms": first.timestamp_ms}
    assert abs(first.timestamp_ms - envelope.timestamp_ms) < 60_000
    with device.subscribe() as events:
        sent = [
            platform.streams.publish_event("count.up", user, str(number).encode()) for number in range(100)
        ]
        assert [events.expect_event("count.up").event_id for _ in sent] == sent


def test_both_gateways_push_an_event_and_a_revocation(boot: Callable[..., Platform]) -> None:
    platform = boot(gateways=2)
    device = platform.sign_in(ADA)
    elsewhere = device.at(platform.gateways[1].edge)
    with device.subscribe() as here, elsewhere.subscribe() as there:
        event_id = platform.streams.publish_event(STARTED, platform.users.id_of(ADA))
        assert here.expect_event(STARTED).event_id == there.expect_event(STARTED).event_id == event_id
        platform.authsession.revoke_all(platform.users.id_of(ADA)).expect(200)
        for events in (here, there):
            events.expect_end("session_revoked", timeout=1.0)


def test_an_event_published_before_the_stream_is_not_pushed(platform: Platform) -> None:
    device = platform.sign_in(ADA)
    user = platform.users.id_of(ADA)
    platform.streams.publish_event("too.early", user)
    until("the early event to pass by", lambda: platform.streams.pending("gateway:client-events") == 0)
    with device.subscribe() as events:
        platform.streams.publish_event("in.time", user)
        events.expect_event("in.time")


def test_a_malformed_entry_is_set_aside_and_blocks_nothing(platform: Platform) -> None:
    device = platform.sign_in(ADA)
    user = platform.users.id_of(ADA)
    right = {"event_id": "e", "event_type": "a.b", "user_id": user, "payload": "e30=", "occurred_at_ms": "1"}
    malformed: list[dict[str, str | bytes]] = [
        {"hello": "world"},
        {**right, "unknown": "field"},
        {**right, "event_type": "NoDots"},
        {**right, "payload": "no base64!"},
        {**right, "payload": "A" * 87_388},
        {**right, "occurred_at_ms": "yesterday"},
        {**right, "user_id": b"\xff\xfe"},
        {name: value for name, value in right.items() if name != "payload"},
    ]
    platform.gateway.process.allow_log("stream_entry_rejected")
    with device.subscribe() as events:
        entries = [platform.streams.publish_unchecked(CLIENT_EVENTS, entry) for entry in malformed]
        platform.streams.publish_event(STARTED, user)
        events.expect_event(STARTED)
        until("all to be dealt with", lambda: platform.streams.pending("gateway:client-events") == 0)
    rejected = platform.streams.rejected_client_events()
    assert [entry["entry_id"] for entry in rejected] == entries


def test_a_subscriber_who_does_not_read_is_cut_off_and_delays_nobody(platform: Platform) -> None:
    stalled, reader = platform.sign_in(ADA), platform.sign_in(BOB)
    ada, bob = platform.users.id_of(ADA), platform.users.id_of(BOB)
    payload = bytes(16_384)
    with stalled.subscribe_without_reading() as hanging, reader.subscribe() as events:
        for _ in range(6):
            for _ in range(80):
                platform.streams.publish_event("load.heavy", ada, payload)
            platform.streams.publish_event("load.light", bob)
            events.expect_event("load.light")
        assert hanging.expect_end("slow_consumer") < 480
        platform.streams.publish_event("load.light", bob)
        events.expect_event("load.light")
    with stalled.subscribe() as events:
        platform.streams.publish_event("load.light", ada)
        events.expect_event("load.light")


def test_a_burst_within_the_buffer_cuts_nobody_off(platform: Platform) -> None:
    device = platform.sign_in(ADA)
    user = platform.users.id_of(ADA)
    with device.subscribe_without_reading() as hanging, device.subscribe() as events:
        sent = [platform.streams.publish_event("load.light", user) for _ in range(200)]
        for event_id in sent:
            assert events.expect_event("load.light").event_id == event_id
        platform.authsession.revoke(device.session_id).expect(200)
        assert hanging.expect_end("session_revoked") == 200


@pytest.mark.smoke
def test_a_session_revoked_while_its_stream_is_open_loses_it_within_a_second(platform: Platform) -> None:
    ada, bob = platform.sign_in(ADA), platform.sign_in(BOB)
    with ada.subscribe() as events, bob.subscribe() as others:
        platform.authsession.revoke(ada.session_id, "lost_device").expect(200)
        events.expect_end("session_revoked", timeout=1.0)
        platform.streams.publish_event(STARTED, platform.users.id_of(BOB))
        others.expect_event(STARTED)


def test_a_shutdown_ends_streams_with_its_own_code_and_leaves_no_group(boot: Callable[..., Platform]) -> None:
    platform = boot(mode="cold")
    devices = [platform.sign_in(ADA), platform.sign_in(BOB)]
    assert len(groups(platform)) == 1
    with devices[0].subscribe() as first, devices[1].subscribe() as second:
        platform.gateway.process.terminate()
        for events in (first, second):
            events.expect_end("shutting_down")
    assert platform.gateway.process.wait_exit().code == 0
    assert groups(platform) == set()


def groups(platform: Platform) -> set[str]:
    return platform.streams.groups("gateway:client-events") | platform.streams.groups(
        "gateway:session-events"
    )


def test_a_killed_gateway_costs_a_device_its_connection_and_nothing_else(
    boot: Callable[..., Platform],
) -> None:
    platform = boot(gateways=2)
    device = platform.sign_in(ADA)
    elsewhere = device.at(platform.gateways[1].edge)
    with device.subscribe() as events, elsewhere.subscribe() as others:
        platform.gateway.process.kill()
        events.expect_broken()
        platform.streams.publish_event(STARTED, platform.users.id_of(ADA))
        others.expect_event(STARTED)
        elsewhere.execute()


def test_a_client_that_leaves_is_forgotten(platform: Platform) -> None:
    device = platform.sign_in(ADA)
    with device.subscribe():
        assert open_streams(platform) == 1
    until("the stream to be forgotten", lambda: open_streams(platform) == 0)
    device.execute()


def open_streams(platform: Platform) -> float:
    return platform.gateway.admin.metrics()["gateway_streams_open"]
