"""Between lobby and those who are told: delays, duplicates, retries, dead letters, poison, crashes; nothing lost or doubled."""

import functools
from collections.abc import Callable

import pytest

from contracts.lobby.player import Player
from contracts.notification.intents import GAME, Notifications, intent
from contracts.platform.platform import Platform
from contracts.streams import schema
from seatrial import until

ADA, BOB = "ada@example.test", "bob@example.test"
SUBMITTED = "lobby.application_submitted"


def open_dead_letter(platform: Platform, channel: str) -> dict[str, str]:
    """The only open dead letter of a channel, once there is one."""

    def found() -> list[dict[str, str]]:
        letters: list[dict[str, str]] = (
            platform.notification.http.dead_letters(channel=channel).expect(200).json()["dead_letters"]
        )
        return letters

    (letter,) = until(f"a dead letter of {channel}", found)
    platform.notification.process.allow_log("route_dead")
    return letter


def test_what_happens_while_notification_is_down_is_told_later_in_order(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    platform.notification.process.stop()
    game = ada.opened()
    for race in ("Zerg", "Protoss", "Terrans"):
        ada.reject(game, bob.applied(game, race)).expect(200)
    until("the intents to be there", lambda: len(told.streams.entries(schema.INTENTS)) == 6)
    platform.notification.process.restart()
    until("all to be told", lambda: len(told.pushes(bob.user_id)) == 3)
    assert [payload["race_name"] for _, payload in told.pushes(bob.user_id)] == ["Zerg", "Protoss", "Terrans"]


def test_a_killed_notification_service_loses_and_doubles_nothing(boot: Callable[..., Platform]) -> None:
    # What the killed one was about to do is taken over when its lease ends.
    platform = boot(settings={"notification": {"LEASE_MS": "600", "USER_TIMEOUT_MS": "500"}})
    told = Notifications(platform.streams)
    users = [f"user-{number}" for number in range(100)]
    for number, user in enumerate(users):
        told.tell(user)
        if number % 25 == 20:
            platform.notification.process.kill()
            platform.notification.process.restart()
    until("everybody to be told", lambda: all(told.pushes(user) for user in users), timeout=10.0)
    assert [len(told.pushes(user)) for user in users] == [1] * len(users)


def test_an_intent_that_was_in_hand_when_its_holder_was_killed_is_told(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["notification to postgres"])
    platform.expect_outage()
    told = Notifications(platform.streams)
    with platform.proxies["notification to postgres"].reset():
        told.tell("user-1")

        def taken() -> bool:
            return all(group["lag"] == 0 for group in platform.streams.redis.xinfo_groups(schema.INTENTS))

        until("the intent to be taken", taken)
        platform.notification.process.kill()
    platform.notification.process.restart()
    told.wait_push("user-1", "lobby.game_started")


def test_a_lobby_killed_after_its_answer_still_tells(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    game = ada.opened()
    for race in ("Zerg", "Protoss", "Terrans"):
        application = bob.applied(game, race)
        platform.lobby.process.kill()
        platform.lobby.process.restart()
        until("the application to be told", functools.partial(_told_of, told, application))
        bob.withdraw(game, application).expect(200)
    told.wait_handled()
    assert len(told.intents(SUBMITTED)) == 3


def _told_of(told: Notifications, application: str) -> bool:
    return any(application in entry["idempotency_key"] for entry in told.intents(SUBMITTED))


def test_redis_gone_between_them_only_delays(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["lobby to redis", "notification to redis"])
    platform.expect_outage()
    told, ada, bob = Notifications(platform.streams), platform.player(ADA), platform.player(BOB)
    game = ada.opened()
    with platform.proxies["lobby to redis"].reset(), platform.proxies["notification to redis"].reset():
        ada.approve(game, bob.applied(game, "Zerg")).expect(200)
        dependencies = platform.notification.admin.dependencies()
        assert dependencies["redis"]["status"] == "unavailable"
    told.wait_push(ada.user_id, SUBMITTED)
    told.wait_push(bob.user_id, "lobby.application_approved")
    assert len(told.pushes(bob.user_id)) == 1


def test_postgres_gone_only_delays_and_says_so(boot: Callable[..., Platform]) -> None:
    platform = boot(proxied=["notification to postgres"])
    platform.expect_outage()
    told = Notifications(platform.streams)
    with platform.proxies["notification to postgres"].reset():
        key = told.tell("user-1")
        for answer in (
            platform.notification.http.intent(key),
            platform.notification.http.dead_letters(),
            platform.notification.http.dead_letter("1"),
            platform.notification.http.replay("1"),
            platform.notification.http.discard("1"),
        ):
            answer.expect_error(503, "service_unavailable")
        assert platform.notification.admin.dependencies()["postgres"]["status"] == "unavailable"
    told.wait_push("user-1", "lobby.game_started")

    def state() -> str:
        found: str = platform.notification.http.intent(key).expect(200).json()["routes"][0]["state"]
        return found

    until("the delivery to be on record", lambda: state() == "delivered")
    assert told.rejected() == []


def test_an_intent_that_comes_twice_is_told_once(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    bob.applied(ada.opened(), "Zerg")
    told.wait_push(ada.user_id, SUBMITTED)
    (entry,) = told.intents(SUBMITTED)
    for _ in range(3):
        platform.streams.publish_unchecked(schema.INTENTS, dict(entry.fields))
    told.wait_handled()
    told.tell(ada.user_id)
    told.wait_push(ada.user_id, "lobby.game_started")
    assert [each for each, _ in told.pushes(ada.user_id)] == [SUBMITTED, "lobby.game_started"]
    assert told.rejected() == []


def test_an_intent_that_is_sent_again_by_another_call_is_no_other_content(told: Notifications) -> None:
    fields = intent(recipients=["user-1"])
    told.publish(fields)
    told.publish({**fields, "request_id": "another-call"})
    told.wait_handled()
    assert told.rejected() == []
    told.wait_push("user-1", fields["notification_type"])
    assert len(told.pushes("user-1")) == 1


def test_another_content_under_a_known_key_is_rejected_and_recorded(
    told: Notifications, platform: Platform
) -> None:
    platform.notification.process.allow_log("stream_entry_rejected")
    key = told.tell("user-1", key="lobby.the-key")
    told.tell("user-2", key="lobby.the-key")
    until("the second one to be set aside", lambda: len(told.rejected()) == 1)
    assert told.rejected()[0]["reason"].startswith("idempotency_conflict: ")
    state = platform.notification.http.intent(key).expect(200).json()
    assert [conflict["notification_type"] for conflict in state["conflicts"]] == ["lobby.game_started"]
    assert told.pushes("user-2") == []


def test_a_poison_message_is_set_aside_and_blocks_nothing(told: Notifications, platform: Platform) -> None:
    platform.notification.process.allow_log("stream_entry_rejected")
    right = intent(recipients=["user-1"])
    poison = [
        {},
        {**right, "payload": "{"},
        {**right, "payload": '{"game_id":1}'},
        {**right, "recipient_user_ids": "[]"},
        {**right, "notification_type": "lobby.unheard_of"},
        {**right, "occurred_at_ms": "yesterday"},
        {**right, "audience_kind": "everybody"},
        {name: value for name, value in right.items() if name != "idempotency_key"},
        {**right, "unknown": "field"},
    ]
    ids = [told.streams.publish_unchecked(schema.INTENTS, each or {"": ""}) for each in poison]
    told.tell("user-1")
    told.wait_push("user-1", "lobby.game_started")
    until("all to be set aside", lambda: len(told.rejected()) == len(ids))
    assert [entry["entry_id"] for entry in told.rejected()] == ids
    assert len(told.pushes("user-1")) == 1


@pytest.mark.parametrize(("stream", "readers"), [(schema.USER_EVENTS, 2), (schema.JOB_RESULTS, 1)])
def test_what_no_reader_of_a_stream_understands_each_sets_aside(
    told: Notifications, platform: Platform, stream: str, readers: int
) -> None:
    for service in (platform.lobby, platform.notification):
        service.process.allow_log("stream_entry_rejected")
    entry_id = told.streams.publish_unchecked(stream, {"event": "nonsense"})
    aside = schema.rejected(stream)
    until("it to be set aside", lambda: len(told.streams.entries(aside)) == readers)
    assert {entry["entry_id"] for entry in told.streams.entries(aside)} == {entry_id}
    until("it to be acknowledged", lambda: platform.streams.pending(stream) == 0)


def test_mail_to_a_user_who_is_not_there_is_not_tried_again(told: Notifications, platform: Platform) -> None:
    told.tell("nobody", notification_type="lobby.application_approved", payload=GAME | {"race_name": "Zerg"})
    letter = open_dead_letter(platform, "email")
    assert (letter["error_code"], int(letter["attempts"])) == ("user_not_found", 1)
    assert len(told.pushes("nobody")) == 1


def test_mail_is_tried_again_until_the_user_service_answers_and_pushes_do_not_wait(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    with platform.users.failing(503):
        bob.applied(ada.opened(), "Zerg")
        told.wait_push(ada.user_id, SUBMITTED)
        key = told.intents(SUBMITTED)[0]["idempotency_key"]

        def tried() -> bool:
            routes = platform.notification.http.intent(key).expect(200).json()["routes"]
            return any(route["channel"] == "email" and route["attempts"] >= 2 for route in routes)

        until("a second attempt", tried)
        assert told.mails(ADA) == []
    platform.notification.process.allow_log("dependency_unavailable")
    told.wait_mail(ADA, SUBMITTED)
    assert len(told.mails(ADA)) == 1


def test_mail_that_nobody_can_get_is_a_dead_letter_that_is_replayed(boot: Callable[..., Platform]) -> None:
    platform = boot(settings={"notification": {"EMAIL_MAX_ATTEMPTS": "2"}})
    told, ada, bob = Notifications(platform.streams), platform.player(ADA), platform.player(BOB)
    platform.notification.process.allow_log("dependency_unavailable")
    with platform.users.failing(500):
        bob.applied(ada.opened(), "Zerg")
        letter = open_dead_letter(platform, "email")
        assert (letter["error_code"], letter["notification_type"]) == ("user_service_unavailable", SUBMITTED)
    http = platform.notification.http
    assert http.replay(letter["dead_letter_id"]).expect(200).json()["outcome"] == "replayed"
    assert http.replay(letter["dead_letter_id"]).expect(200).json()["outcome"] == "already_replayed"
    http.discard(letter["dead_letter_id"]).expect_error(409, "conflict")
    told.wait_mail(ADA, SUBMITTED)
    assert http.dead_letters().expect(200).json()["dead_letters"] == []
    assert http.dead_letter(letter["dead_letter_id"]).expect(200).json()["status"] == "replayed"
    assert len(told.mails(ADA)) == 1
    assert len(told.pushes(ada.user_id)) == 1


def test_a_dead_letter_that_is_replayed_has_all_its_attempts_again(boot: Callable[..., Platform]) -> None:
    platform = boot(settings={"notification": {"EMAIL_MAX_ATTEMPTS": "2"}})
    told, ada, bob = Notifications(platform.streams), platform.player(ADA), platform.player(BOB)
    platform.notification.process.allow_log("dependency_unavailable")
    with platform.users.failing(500, times=3):  # two attempts, and the first one of the replay
        bob.applied(ada.opened(), "Zerg")
        letter = open_dead_letter(platform, "email")
        platform.notification.http.replay(letter["dead_letter_id"]).expect(200)
        told.wait_mail(ADA, SUBMITTED)
    assert platform.notification.http.dead_letters().expect(200).json()["dead_letters"] == []


def test_a_push_that_redis_refuses_is_a_dead_letter_that_is_discarded(boot: Callable[..., Platform]) -> None:
    platform = boot(settings={"notification": {"PUSH_MAX_ATTEMPTS": "2"}})
    told = Notifications(platform.streams)
    platform.streams.redis.set(schema.CLIENT_EVENTS, "in the way")
    told.tell("user-1")
    letter = open_dead_letter(platform, "push")
    platform.streams.redis.delete(schema.CLIENT_EVENTS)
    http = platform.notification.http
    assert http.discard(letter["dead_letter_id"]).expect(200).json()["outcome"] == "discarded"
    http.replay(letter["dead_letter_id"]).expect_error(409, "conflict")
    told.tell("user-1", notification_type="lobby.game_paused")
    told.wait_push("user-1", "lobby.game_paused")
    assert [each for each, _ in told.pushes("user-1")] == ["lobby.game_paused"]


def test_administrators_are_told_by_mail(told: Notifications) -> None:
    payload = {
        "game_id": "g-1",
        "image_ref": "engine:1.4.0",
        "error_code": "image_pull_failed",
        "error_message": "no such image",
        "attempted_at_ms": 1,
    }
    told.publish(intent("runtime.image_pull_failed", [], payload, producer="rtmanager"))
    mail = told.wait_mail("admin@example.test", "runtime.image_pull_failed")
    assert "engine:1.4.0" in mail["text_body"]


def test_two_instances_share_the_work_and_tell_once(boot: Callable[..., Platform]) -> None:
    platform = boot(instances={"notification": 2, "lobby": 2})
    told, users = Notifications(platform.streams), [f"user-{number}" for number in range(50)]
    for user in users:
        told.tell(user)
    until("everybody to be told", lambda: all(told.pushes(user) for user in users))
    told.wait_handled()
    assert [len(told.pushes(user)) for user in users] == [1] * len(users)


def test_what_is_asked_wrongly_is_refused(platform: Platform) -> None:
    http = platform.notification.http
    http.intent("nobody-s").expect_error(404, "intent_not_found")
    http.dead_letter("999").expect_error(404, "dead_letter_not_found")
    http.replay("999").expect_error(404, "dead_letter_not_found")
    http.discard("999").expect_error(404, "dead_letter_not_found")
    for operation, path in (
        ("getIntent", {"idempotency_key": "key"}),
        ("listDeadLetters", {}),
        ("getDeadLetter", {"dead_letter_id": "1"}),
        ("replayDeadLetter", {"dead_letter_id": "1"}),
        ("discardDeadLetter", {"dead_letter_id": "1"}),
    ):
        call = http.call
        call(operation, path=path, query={"unknown": "1"}, unchecked=True).expect_error(
            400, "invalid_request"
        )
        call(operation, path=path, method="PUT", unchecked=True).expect_error(405, "method_not_allowed")
        if operation.startswith(("replay", "discard")):
            large = {"reason_code": "r", "actor": "a" * 20_000}
            call(operation, path=path, json_body=large, unchecked=True).expect_error(413, "request_too_large")
            answer = call(operation, path=path, body=b"{}", content_type="text/plain", unchecked=True)
            answer.expect_error(415, "unsupported_media_type")
