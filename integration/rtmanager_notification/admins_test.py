"""What goes wrong with engines is told to the administrators by mail: success, delay, duplicate, retry, dead letter."""

import json
import uuid
from collections.abc import Callable
from typing import Final

from contracts.notification.intents import Notifications
from contracts.platform.platform import ADMIN, Platform
from contracts.streams import schema
from contracts.streams.stream_log import Entry
from seatrial import until

MISSING: Final = "seatrial-engine-that-nobody-made:1.0.0"
PULL_FAILED: Final = "runtime.image_pull_failed"


def new_game() -> str:
    """A game's id that names no container on this machine yet."""
    return f"g-{uuid.uuid4()}"


def start(platform: Platform, game: str, image_ref: str) -> None:
    """A start job, as lobby writes it."""
    job = {"game_id": game, "image_ref": image_ref, "requested_at_ms": platform.streams.now_ms()}
    platform.streams.publish_unchecked(schema.START_JOBS, job)


def result(platform: Platform, game: str, timeout: float = 30.0) -> Entry:
    """The result of a game's only job, once it is there."""
    return platform.streams.wait_for(
        schema.JOB_RESULTS, f"the result of {game}", lambda entry: entry["game_id"] == game, timeout=timeout
    )


def test_an_image_that_cannot_be_had_is_a_failed_result_and_a_mail(
    told: Notifications, platform: Platform
) -> None:
    game = new_game()
    start(platform, game, MISSING)
    failed = result(platform, game)
    assert (failed["outcome"], failed["error_code"]) == ("failure", "image_pull_failed")
    mail = told.wait_mail(ADMIN, PULL_FAILED)
    assert MISSING in mail["text_body"]
    (intent,) = told.intents(PULL_FAILED)
    assert json.loads(intent["payload"])["game_id"] == game


def test_an_engine_that_does_not_answer_is_a_failed_result_and_a_mail(
    boot: Callable[..., Platform], no_engine: str
) -> None:
    game = new_game()
    platform = boot(settings={"rtmanager": {"START_TIMEOUT_MS": "1000"}})
    start(platform, game, no_engine)
    assert result(platform, game)["error_code"] == "container_start_failed"
    Notifications(platform.streams).wait_mail(ADMIN, "runtime.container_start_failed")
    until("the failed container to be removed", lambda: not platform.containers(game), timeout=30.0)


def test_a_configuration_that_cannot_work_is_a_failed_result_and_a_mail(
    boot: Callable[..., Platform], image: str
) -> None:
    game = new_game()
    platform = boot(settings={"rtmanager": {"NETWORK": "seatrial-network-that-nobody-made"}})
    start(platform, game, image)
    assert result(platform, game)["error_code"] == "start_config_invalid"
    Notifications(platform.streams).wait_mail(ADMIN, "runtime.start_config_invalid")


def test_a_start_that_works_is_told_to_nobody(told: Notifications, platform: Platform, image: str) -> None:
    game = new_game()
    start(platform, game, image)
    assert result(platform, game)["outcome"] == "success"
    assert platform.streams.entries(schema.INTENTS) == []
    assert told.mails(ADMIN) == []


def test_each_administrator_gets_his_own_mail(boot: Callable[..., Platform]) -> None:
    game = new_game()
    platform = boot(settings={"notification": {"ADMIN_EMAILS": f"{ADMIN},second@example.test"}})
    told = Notifications(platform.streams)
    start(platform, game, MISSING)
    for address in (ADMIN, "second@example.test"):
        told.wait_mail(address, PULL_FAILED)


def test_mail_waits_for_a_notification_service_that_is_down(told: Notifications, platform: Platform) -> None:
    game = new_game()
    platform.notification.process.kill()
    start(platform, game, MISSING)
    result(platform, game)
    assert told.mails(ADMIN) == []
    platform.notification.process.restart()
    told.wait_mail(ADMIN, PULL_FAILED)
    assert len(told.mails(ADMIN)) == 1


def test_an_intent_survives_a_redis_that_is_out_of_reach_at_the_wrong_moment(
    boot: Callable[..., Platform],
) -> None:
    game = new_game()
    platform = boot(proxied=["rtmanager to redis"])
    platform.rtmanager.process.allow_log("dependency_unavailable")
    told = Notifications(platform.streams)
    with platform.proxies["rtmanager to redis"].delayed(0.2):
        start(platform, game, MISSING)
        until("the job to be taken", lambda: platform.streams.pending(schema.START_JOBS, "rtmanager") == 0)
        with platform.proxies["rtmanager to redis"].reset():
            dependency = platform.rtmanager.admin.dependencies()["redis"]
            assert dependency["status"] == "unavailable"
    told.wait_mail(ADMIN, PULL_FAILED)
    assert result(platform, game)["error_code"] == "image_pull_failed"
    assert len(told.intents(PULL_FAILED)) == 1


def test_a_start_that_failed_twice_is_told_twice_and_a_doubled_intent_once(
    told: Notifications, platform: Platform
) -> None:
    game = new_game()
    for _ in range(2):
        start(platform, game, MISSING)
    until("both intents", lambda: len(told.intents(PULL_FAILED)) == 2, timeout=30.0)
    for entry in told.intents(PULL_FAILED):
        platform.streams.publish(schema.INTENTS, entry.fields)
    told.wait_handled()
    until("both mails", lambda: len(told.mails(ADMIN)) == 2)
    assert told.rejected() == []


def test_rtmanager_killed_while_a_start_fails_tells_once(told: Notifications, platform: Platform) -> None:
    for number in range(4):
        game = new_game()
        start(platform, game, MISSING)
        if number % 2:
            platform.rtmanager.process.kill()
            platform.rtmanager.process.restart()
        result(platform, game, timeout=60.0)
    until("every mail", lambda: len(told.mails(ADMIN)) == 4)
    assert len(told.intents(PULL_FAILED)) == 4


def test_a_mail_that_redis_refuses_is_a_dead_letter_that_is_replayed(boot: Callable[..., Platform]) -> None:
    game = new_game()
    platform = boot(settings={"notification": {"EMAIL_MAX_ATTEMPTS": "2"}})
    platform.notification.process.allow_log("route_dead")
    told, http = Notifications(platform.streams), platform.notification.http
    platform.streams.redis.set(schema.MAIL_COMMANDS, "in the way")
    start(platform, game, MISSING)
    (letter,) = until("a dead letter", lambda: http.dead_letters().expect(200).json()["dead_letters"], 30.0)
    assert (letter["channel"], letter["notification_type"]) == ("email", PULL_FAILED)
    platform.streams.redis.delete(schema.MAIL_COMMANDS)
    http.replay(letter["dead_letter_id"]).expect(200)
    told.wait_mail(ADMIN, PULL_FAILED)


def test_a_poison_intent_does_not_keep_the_administrators_from_their_mail(
    told: Notifications, platform: Platform
) -> None:
    game = new_game()
    platform.notification.process.allow_log("stream_entry_rejected")
    platform.streams.publish_unchecked(schema.INTENTS, {"notification_type": PULL_FAILED, "payload": "{"})
    start(platform, game, MISSING)
    told.wait_mail(ADMIN, PULL_FAILED)
    until("the intent to be set aside", lambda: len(told.rejected()) == 1)
