"""Whatever happens in lobby, those whom it concerns are told, and nobody else."""

import pytest

from contracts.lobby.player import Player
from contracts.notification.intents import Notifications
from contracts.platform.platform import Platform
from contracts.rtmanager.jobs import RuntimeJobs
from contracts.streams import schema
from seatrial import until

ADA, BOB, CARL = "ada@example.test", "bob@example.test", "carl@example.test"


def running_game(platform: Platform, owner: Player, other: Player) -> str:
    """A game of two that runs."""
    jobs, game = RuntimeJobs(platform.streams), owner.opened(max_players=2)
    owner.join(game, "Terrans").expect(201)
    owner.approve(game, other.applied(game, "Zerg")).expect(200)
    owner.start(game).expect(200)
    jobs.succeed(jobs.start_of(game))
    until("the game to run", lambda: platform.lobby.http.status(game) == "running")
    return game


def test_an_application_and_its_approval(told: Notifications, ada: Player, bob: Player) -> None:
    game = ada.opened(name="Lepanto")
    application = bob.applied(game, "Zerg")
    assert told.wait_push(ada.user_id, "lobby.application_submitted") == {
        "game_id": game, "game_name": "Lepanto", "applicant_user_id": bob.user_id, "race_name": "Zerg",
    }  # fmt: skip
    assert "Lepanto" in told.wait_mail(ADA, "lobby.application_submitted")["text_body"]
    ada.approve(game, application).expect(200)
    assert told.wait_push(bob.user_id, "lobby.application_approved")["race_name"] == "Zerg"
    told.wait_mail(BOB, "lobby.application_approved")
    assert [each for each, _ in told.pushes(bob.user_id)] == ["lobby.application_approved"]


def test_an_application_that_is_turned_down(told: Notifications, ada: Player, bob: Player) -> None:
    game = ada.opened()
    ada.reject(game, bob.applied(game, "Zerg")).expect(200)
    assert told.wait_push(bob.user_id, "lobby.application_rejected")["race_name"] == "Zerg"
    told.wait_mail(BOB, "lobby.application_rejected")


def test_invites_and_what_becomes_of_them(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    game, carl = ada.opened(visibility="private"), platform.player(CARL)
    bob.accept(game, ada.invited(game, bob.user_id), "Zerg").expect(200)
    carl.decline(game, ada.invited(game, carl.user_id)).expect(200)
    assert told.wait_push(bob.user_id, "lobby.invite_created")["inviter_user_id"] == ada.user_id
    told.wait_mail(BOB, "lobby.invite_created")
    assert told.wait_push(ada.user_id, "lobby.invite_accepted")["invitee_user_id"] == bob.user_id
    assert told.wait_push(ada.user_id, "lobby.invite_declined")["invitee_user_id"] == carl.user_id


def test_a_game_s_life_is_told_to_its_members(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    game = running_game(platform, ada, bob)
    ada.pause(game).expect(200)
    ada.resume(game).expect(200)
    ada.finish(game).expect(200)
    for player in (ada, bob):
        told.wait_push(player.user_id, "lobby.game_finished")
    life = ["lobby.game_started", "lobby.game_paused", "lobby.game_resumed", "lobby.game_finished"]
    assert [each for each, _ in told.pushes(bob.user_id)] == ["lobby.application_approved", *life]
    assert [each for each, _ in told.pushes(ada.user_id)] == [
        "lobby.application_submitted",
        "lobby.game_ready",
        *life,
    ]
    for address in (ADA, BOB):
        told.wait_mail(address, "lobby.game_finished")


def test_a_failed_start_is_the_owner_s_business_and_a_cancelled_game_everybody_s(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    jobs, game = RuntimeJobs(platform.streams), ada.opened(max_players=2)
    ada.join(game, "Terrans").expect(201)
    ada.approve(game, bob.applied(game, "Zerg")).expect(200)
    ada.start(game).expect(200)
    jobs.fail(jobs.start_of(game), "image_pull_failed")
    assert told.wait_push(ada.user_id, "lobby.game_start_failed")["error_code"] == "image_pull_failed"
    told.wait_mail(ADA, "lobby.game_start_failed")
    ada.start(game).expect(200)
    jobs.start_of(game, 2)
    ada.cancel(game).expect(200)
    for player, address in ((ada, ADA), (bob, BOB)):
        told.wait_push(player.user_id, "lobby.game_cancelled")
        told.wait_mail(address, "lobby.game_cancelled")
    assert "lobby.game_start_failed" not in [each for each, _ in told.pushes(bob.user_id)]
    assert jobs.stop_of(game)["reason"] == "cancelled"


def test_a_start_without_an_answer_ends_by_itself(boot_impatient: Platform) -> None:
    told, jobs = Notifications(boot_impatient.streams), RuntimeJobs(boot_impatient.streams)
    ada, bob = boot_impatient.player(ADA), boot_impatient.player(BOB)
    game = ada.opened(max_players=2)
    ada.join(game, "Terrans").expect(201)
    ada.approve(game, bob.applied(game, "Zerg")).expect(200)
    ada.start(game).expect(200)
    assert told.wait_push(ada.user_id, "lobby.game_start_failed")["error_code"] == "start_timeout"
    assert jobs.stop_of(game)["reason"] == "start_timeout"


def test_a_blocked_user_leaves_his_games_and_is_told_nothing_more(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    game = ada.opened()
    ada.approve(game, bob.applied(game, "Zerg")).expect(200)
    told.wait_push(bob.user_id, "lobby.application_approved")
    for event, reason in (("user.blocked", "user_blocked"), ("user.unblocked", None)):
        fields = {"event": event, "user_id": bob.user_id, "occurred_at_ms": platform.streams.now_ms()}
        platform.streams.publish(schema.USER_EVENTS, fields)
        for group in ("lobby", "notification"):
            platform.streams.wait_handled(schema.USER_EVENTS, group)
        if reason is None:
            continue
        left = told.wait_push(ada.user_id, "lobby.member_left")
        assert (left["user_id"], left["reason"]) == (bob.user_id, reason)
        told.tell(ada.user_id, bob.user_id)
        told.wait_push(ada.user_id, "lobby.game_started")
        assert [each for each, _ in told.pushes(bob.user_id)] == ["lobby.application_approved"]
    told.tell(bob.user_id)
    told.wait_push(bob.user_id, "lobby.game_started")


def test_a_deleted_owner_s_games_that_never_ran_are_cancelled(
    told: Notifications, platform: Platform, ada: Player, bob: Player
) -> None:
    game = ada.opened()
    ada.approve(game, bob.applied(game, "Zerg")).expect(200)
    fields = {"event": "user.deleted", "user_id": ada.user_id, "occurred_at_ms": platform.streams.now_ms()}
    platform.streams.publish(schema.USER_EVENTS, fields)
    told.wait_push(bob.user_id, "lobby.game_cancelled")
    assert platform.lobby.http.status(game) == "cancelled"


@pytest.mark.parametrize(("language", "locale"), [("de-AT", "de"), ("fr", "fr"), ("pt-BR", "en"), ("", "en")])
def test_mail_speaks_the_recipient_s_language(
    told: Notifications, platform: Platform, ada: Player, language: str, locale: str
) -> None:
    bob = platform.lobby.http.player(platform.users.speaks(BOB, language))
    game = ada.opened()
    ada.approve(game, bob.applied(game, "Zerg")).expect(200)
    assert told.wait_mail(BOB, "lobby.application_approved")["locale"] == locale
