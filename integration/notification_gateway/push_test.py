"""From an intent to the devices of its recipients: success, delay, duplicate, retry, dead letter."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from contracts.gateway.subscription import Event, Subscription
from contracts.notification.intents import GAME, Notifications, intent
from contracts.platform.platform import Platform
from contracts.streams import schema
from seatrial import until

ADA, BOB = "ada@example.test", "bob@example.test"
STARTED, PAUSED = "lobby.game_started", "lobby.game_paused"


def document(event: Event) -> Any:
    """What an event tells."""
    return json.loads(event.payload_bytes)


def expect(events: Subscription, *types: str) -> None:
    """The next events, which must be of these types."""
    assert [events.expect_event(each).event_type for each in types] == list(types)


@pytest.mark.smoke
def test_an_intent_reaches_every_device_of_its_recipients_and_nobody_else(
    told: Notifications, platform: Platform
) -> None:
    ada, bob = platform.users.id_of(ADA), platform.users.id_of(BOB)
    phone, tablet, other = platform.device(ADA), platform.device(ADA), platform.device(BOB)
    with phone.subscribe() as on_phone, tablet.subscribe() as on_tablet, other.subscribe() as elsewhere:
        told.tell(ada)
        told.tell(bob, notification_type=PAUSED)
        for events in (on_phone, on_tablet):
            event = document(events.expect_event(STARTED))
            assert event["payload"] == GAME
            assert (event["notification_type"], event["occurred_at_ms"] > 0) == (STARTED, True)
        expect(elsewhere, PAUSED)


def test_one_intent_for_many_is_one_event_each(told: Notifications, platform: Platform) -> None:
    ada, bob = platform.users.id_of(ADA), platform.users.id_of(BOB)
    with platform.device(ADA).subscribe() as at_ada, platform.device(BOB).subscribe() as at_bob:
        told.tell(ada, bob)
        first, second = at_ada.expect_event(STARTED), at_bob.expect_event(STARTED)
        assert first.event_id != second.event_id
        assert document(first) == document(second)


def test_a_trace_goes_through(told: Notifications, platform: Platform) -> None:
    trace_id = "0123456789abcdef" * 2
    with platform.device(ADA).subscribe() as events:
        told.publish({**intent(recipients=[platform.users.id_of(ADA)]), "trace_id": trace_id})
        assert events.expect_event(STARTED).trace_id == trace_id


def test_events_come_in_the_order_of_their_intents(told: Notifications, platform: Platform) -> None:
    user = platform.users.id_of(ADA)
    with platform.device(ADA).subscribe() as events:
        for number in range(100):
            told.tell(user, payload={**GAME, "game_name": f"Game {number}"})
        names = [document(events.expect_event(STARTED))["payload"]["game_name"] for _ in range(100)]
        assert names == [f"Game {number}" for number in range(100)]


def test_what_was_told_while_notification_was_down_arrives_when_it_is_back(
    told: Notifications, platform: Platform
) -> None:
    with platform.device(ADA).subscribe() as events:
        platform.notification.process.kill()
        told.tell(platform.users.id_of(ADA))
        platform.notification.process.restart()
        expect(events, STARTED)


def test_a_redis_out_of_reach_delays_and_doubles_nothing(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["notification to redis"])
    platform.notification.process.allow_log("dependency_unavailable")
    told, user = Notifications(platform.streams), platform.users.id_of(ADA)
    with platform.device(ADA).subscribe() as events:
        with platform.proxies["notification to redis"].reset():
            told.tell(user)
            dependency = platform.notification.admin.dependencies()["redis"]
            assert dependency["status"] == "unavailable"
        expect(events, STARTED)
        told.tell(user, notification_type=PAUSED)
        expect(events, PAUSED)


def test_a_slow_network_between_them_only_delays(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["notification to redis"])
    told, user = Notifications(platform.streams), platform.users.id_of(ADA)
    with (
        platform.device(ADA).subscribe() as events,
        platform.proxies["notification to redis"].delayed(0.1),
    ):
        told.tell(user)
        expect(events, STARTED)


def test_an_intent_that_comes_twice_is_pushed_once(told: Notifications, platform: Platform) -> None:
    user = platform.users.id_of(ADA)
    fields = intent(recipients=[user])
    with platform.device(ADA).subscribe() as events:
        for _ in range(3):
            told.publish(fields)
        told.tell(user, notification_type=PAUSED)
        expect(events, STARTED, PAUSED)


def test_two_notification_services_and_two_gateways_push_once_to_each_device(
    boot: Callable[..., Platform],
) -> None:
    platform = boot(instances={"notification": 2, "gateway": 2})
    told, user = Notifications(platform.streams), platform.users.id_of(ADA)
    here = platform.device(ADA)
    with here.subscribe() as first, here.at(platform.gateways[1].edge).subscribe() as second:
        keys = [told.tell(user) for _ in range(20)]
        for events in (first, second):
            ids = {events.expect_event(STARTED).event_id for _ in keys}
            assert len(ids) == len(keys)
        told.tell(user, notification_type=PAUSED)
        expect(first, PAUSED)
        expect(second, PAUSED)


def test_a_killed_notification_service_doubles_no_event(boot: Callable[..., Platform]) -> None:
    # What the killed one was about to do is taken over when its lease ends.
    platform = boot(settings={"notification": {"LEASE_MS": "600", "USER_TIMEOUT_MS": "500"}})
    told, user = Notifications(platform.streams), platform.users.id_of(ADA)
    with platform.device(ADA).subscribe() as events:
        for number in range(40):
            told.tell(user)
            if number % 10 == 7:
                platform.notification.process.kill()
                platform.notification.process.restart()
        ids = {events.expect_event(STARTED, timeout=10.0).event_id for _ in range(40)}
        assert len(ids) == 40
        told.tell(user, notification_type=PAUSED)
        expect(events, PAUSED)


def test_a_push_that_failed_is_tried_again(told: Notifications, platform: Platform) -> None:
    user = platform.users.id_of(ADA)
    platform.gateway.process.allow_log("stream_read_failed")
    in_the_way(platform)
    key = told.tell(user)

    def attempts() -> int:
        route = platform.notification.http.intent(key).json()["routes"][0]
        found: int = route["attempts"]
        return found

    told.wait_handled()
    until("a second attempt", lambda: attempts() >= 2)
    platform.streams.redis.delete(schema.CLIENT_EVENTS)
    until("the push to be in the stream", lambda: len(told.pushes(user)) == 1)


def test_a_push_that_is_given_up_can_be_replayed_to_the_device(boot: Callable[..., Platform]) -> None:
    platform = boot(settings={"notification": {"PUSH_MAX_ATTEMPTS": "2"}})
    platform.gateway.process.allow_log("stream_read_failed")
    platform.notification.process.allow_log("route_dead")
    told, user, http = (
        Notifications(platform.streams),
        platform.users.id_of(ADA),
        platform.notification.http,
    )
    in_the_way(platform)
    told.tell(user)
    (letter,) = until("a dead letter", lambda: http.dead_letters().expect(200).json()["dead_letters"])
    assert (letter["channel"], letter["error_code"]) == ("push", "publish_refused")
    platform.streams.redis.delete(schema.CLIENT_EVENTS)
    with platform.device(ADA).subscribe() as events:
        until(
            "the gateway to read the stream again",
            lambda: bool(platform.streams.groups(schema.CLIENT_EVENTS)),
        )
        assert http.replay(letter["dead_letter_id"]).expect(200).json()["outcome"] == "replayed"
        expect(events, STARTED)


def in_the_way(platform: Platform) -> None:
    """Makes every push fail: its stream's key holds something else."""
    platform.streams.redis.delete(schema.CLIENT_EVENTS)
    platform.streams.redis.set(schema.CLIENT_EVENTS, "in the way")


def test_a_poison_message_of_either_stream_blocks_neither(told: Notifications, platform: Platform) -> None:
    user = platform.users.id_of(ADA)
    for process in platform.processes:
        process.allow_log("stream_entry_rejected")
    with platform.device(ADA).subscribe() as events:
        platform.streams.publish_unchecked(schema.INTENTS, {"payload": b"\xff"})
        platform.streams.publish_unchecked(schema.CLIENT_EVENTS, {"payload": b"\xff"})
        told.tell(user)
        expect(events, STARTED)
    until("the intent to be set aside", lambda: len(told.rejected()) == 1)
    until("the event to be set aside", lambda: len(platform.streams.rejected_client_events()) == 1)


def test_a_session_revoked_while_its_stream_is_open_gets_nothing_more(
    told: Notifications, platform: Platform
) -> None:
    user, device, other = platform.users.id_of(ADA), platform.device(ADA), platform.device(ADA)
    with device.subscribe() as events, other.subscribe() as kept:
        revoke(platform, device.session_id, user)
        events.expect_end("session_revoked", timeout=1.0)
        told.tell(user)
        expect(kept, STARTED)


def revoke(platform: Platform, session_id: str, user_id: str) -> None:
    """Revokes a session as authsession does."""
    key = schema.SESSION.format(id=session_id)
    platform.streams.redis.hset(
        key,
        mapping={
            "status": "revoked",
            "revoked_at_ms": platform.streams.now_ms(),
            "revoke_reason": "lost_device",
            "version": "2",
        },
    )
    projection = platform.streams.projection(session_id)
    assert projection is not None
    assert projection["user_id"] == user_id
    platform.streams.publish(schema.SESSION_EVENTS, {"event": "session.revoked", **projection})


def test_an_event_for_one_session_passes_beside_the_notifications(
    told: Notifications, platform: Platform
) -> None:
    user, device = platform.users.id_of(ADA), platform.device(ADA)
    with device.subscribe() as events:
        platform.streams.publish_event("chat.to.phone", user, device_session_id=device.session_id)
        told.tell(user)
        expect(events, "chat.to.phone", STARTED)


def test_what_administrators_are_told_is_pushed_to_nobody(told: Notifications) -> None:
    payload = {
        "game_id": "g-1",
        "image_ref": "engine:1.4.0",
        "error_code": "image_pull_failed",
        "error_message": "no such image",
        "attempted_at_ms": 1,
    }
    told.publish(intent("runtime.image_pull_failed", [], payload, producer="rtmanager"))
    told.wait_mail("admin@example.test", "runtime.image_pull_failed")
    assert told.streams.entries(schema.CLIENT_EVENTS) == []
