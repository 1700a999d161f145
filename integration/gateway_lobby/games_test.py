"""A game's life through the gateway: what its owner and its players see of it."""

import time

import pytest

from contracts.lobby.player import Player
from contracts.platform.platform import Platform
from contracts.rtmanager.jobs import RuntimeJobs
from contracts.streams import schema
from seatrial import until


def status(player: Player, game: str) -> str:
    found: str = player.game(game).expect(200).json()["status"]
    return found


def ready_game(owner: Player, other: Player) -> str:
    """A public game of two, ready to start."""
    game = owner.opened()
    owner.join(game, "Terrans").expect(201)
    owner.approve(game, other.applied(game, "Zerg")).expect(200)
    owner.close_enrollment(game).expect(200)
    return game


@pytest.mark.smoke
def test_a_game_lives_from_draft_to_finished(platform: Platform, ada: Player, bob: Player) -> None:
    game, jobs = ready_game(ada, bob), RuntimeJobs(platform.streams)
    assert status(bob, game) == "ready_to_start"
    assert ada.start(game).expect(200).json()["status"] == "starting"
    jobs.succeed(jobs.start_of(game))
    until("the game to run", lambda: status(bob, game) == "running")
    assert ada.pause(game).expect(200).json()["status"] == "paused"
    assert ada.resume(game).expect(200).json()["status"] == "running"
    assert ada.finish(game).expect(200).json()["status"] == "finished"
    assert jobs.stop_of(game)["reason"] == "finished"


def test_a_game_needs_its_players_and_is_called_off_only_before_it_runs(
    platform: Platform, ada: Player, bob: Player
) -> None:
    game, jobs = ada.opened(min_players=2), RuntimeJobs(platform.streams)
    ada.join(game, "Terrans").expect(201)
    ada.close_enrollment(game).expect_error(409, "conflict")
    ada.approve(game, bob.applied(game, "Zerg")).expect(200)
    ada.close_enrollment(game).expect(200)
    ada.start(game).expect(200)
    jobs.succeed(jobs.start_of(game))
    until("the game to run", lambda: status(ada, game) == "running")
    ada.cancel(game).expect_error(409, "conflict")
    ada.pause(game).expect(200)
    ada.cancel(game).expect_error(409, "conflict")
    assert jobs.stops(game) == []


def test_a_failed_start_is_tried_again_and_a_game_that_starts_can_be_cancelled(
    platform: Platform, ada: Player, bob: Player
) -> None:
    game, jobs = ready_game(ada, bob), RuntimeJobs(platform.streams)
    ada.start(game).expect(200)
    jobs.fail(jobs.start_of(game))
    until("the start to have failed", lambda: status(ada, game) == "start_failed")
    assert ada.game(game).json()["start_error_code"] == "image_pull_failed"
    assert ada.start(game).expect(200).json()["status"] == "starting"
    jobs.start_of(game, 2)
    assert ada.cancel(game).expect(200).json()["status"] == "cancelled"
    assert jobs.stop_of(game)["reason"] == "cancelled"


def test_a_late_result_of_an_earlier_start_changes_nothing(
    platform: Platform, ada: Player, bob: Player
) -> None:
    game, jobs = ready_game(ada, bob), RuntimeJobs(platform.streams)
    ada.start(game).expect(200)
    first = jobs.start_of(game)
    jobs.fail(first)
    until("the start to have failed", lambda: status(ada, game) == "start_failed")
    ada.start(game).expect(200)
    second = jobs.start_of(game, 2)
    jobs.fail(first)
    platform.streams.wait_handled(schema.JOB_RESULTS, "lobby")
    assert status(ada, game) == "starting"
    jobs.succeed(second)
    until("the game to run", lambda: status(ada, game) == "running")


def test_an_owner_changes_a_draft_and_nobody_else_sees_it(ada: Player, bob: Player) -> None:
    game = ada.created(name="Trafalgar")
    assert ada.update(game, name="Lepanto", max_players=3).expect(200).json()["name"] == "Lepanto"
    assert game not in {each["game_id"] for each in bob.games().expect(200).json()["games"]}
    ada.open_enrollment(game).expect(200)
    assert game in {
        each["game_id"] for each in bob.games(status="enrollment_open").expect(200).json()["games"]
    }


def test_applicants_are_let_in_turned_down_and_leave(ada: Player, bob: Player, platform: Platform) -> None:
    game, carl = ada.opened(), platform.player("carl@example.test")
    refused, withdrawn = bob.applied(game, "Zerg"), carl.applied(game, "Protoss")
    ada.reject(game, refused).expect(200)
    carl.withdraw(game, withdrawn).expect(200)
    listed = ada.applications(game).expect(200).json()["applications"]
    assert [each["status"] for each in listed] == ["withdrawn", "rejected"]
    ada.approve(game, bob.applied(game, "Zerg")).expect(200)
    assert [each["user_id"] for each in carl.members(game).expect(200).json()["members"]] == [bob.user_id]
    bob.remove(game, bob.user_id).expect(200)
    assert ada.members(game).json()["members"] == []


def test_an_application_is_read_by_the_owner_and_the_applicant_alone(
    ada: Player, bob: Player, platform: Platform
) -> None:
    game, carl = ada.opened(), platform.player("carl@example.test")
    bob.applied(game, "Zerg")
    carl.applied(game, "Protoss")

    def readable(player: Player) -> list[str]:
        listed = player.applications(game).expect(200).json()["applications"]
        return sorted(each["race_name"] for each in listed)

    assert readable(ada) == ["Protoss", "Zerg"]
    assert readable(bob) == ["Zerg"]
    assert readable(platform.player("dora@example.test")) == []


def test_a_private_game_is_seen_by_those_who_are_invited(
    ada: Player, bob: Player, platform: Platform
) -> None:
    game, carl = ada.opened(visibility="private"), platform.player("carl@example.test")
    bob.game(game).expect_error(404, "game_not_found")
    declined, revoked = ada.invited(game, bob.user_id), ada.invited(game, carl.user_id)
    assert bob.game(game).expect(200).json()["visibility"] == "private"
    bob.decline(game, declined).expect(200)
    ada.revoke(game, revoked).expect(200)
    bob.accept(game, ada.invited(game, bob.user_id), "Zerg").expect(200)
    statuses = [each["status"] for each in ada.invites(game).expect(200).json()["invites"]]
    assert sorted(statuses) == ["accepted", "declined", "revoked"]
    carl.game(game).expect_error(404, "game_not_found")


def test_enrolment_ends_by_itself(ada: Player, bob: Player) -> None:
    soon = time.time_ns() // 1_000_000 + 1500
    lonely, busy = ada.opened(enrollment_ends_at_ms=soon), ada.opened(enrollment_ends_at_ms=soon)
    ada.join(busy, "Terrans").expect(201)
    ada.approve(busy, bob.applied(busy, "Zerg")).expect(200)
    until("the lonely game to be cancelled", lambda: status(ada, lonely) == "cancelled")
    until("the other one to be ready", lambda: status(ada, busy) == "ready_to_start")


def test_a_race_name_is_taken_in_every_case_and_width(ada: Player, bob: Player) -> None:
    game = ada.opened()
    ada.join(game, "Straße").expect(201)
    for same in ("STRASSE", "straße", "\uff53trasse"):
        bob.apply(game, same).expect_error(409, "race_name_taken")
    bob.apply(game, "Zerg").expect(201)


def test_the_last_place_goes_to_one_of_two(platform: Platform, ada: Player, bob: Player) -> None:
    carl = platform.player("carl@example.test")
    game = ada.opened(max_players=2)
    ada.join(game, "Terrans").expect(201)
    first, second = bob.applied(game, "Zerg"), carl.applied(game, "Protoss")
    answers = platform.together(lambda: ada.approve(game, first), lambda: ada.approve(game, second))
    assert sorted(answer.status for answer in answers) == [200, 409]
    assert status(ada, game) == "ready_to_start"


def test_of_two_starts_one_is_a_conflict(platform: Platform, ada: Player, bob: Player) -> None:
    game, jobs = ready_game(ada, bob), RuntimeJobs(platform.streams)
    answers = platform.together(lambda: ada.start(game), lambda: ada.start(game))
    assert sorted(answer.status for answer in answers) == [200, 409]
    jobs.succeed(jobs.start_of(game))
    until("the game to run", lambda: status(ada, game) == "running")
    assert len(jobs.starts(game)) == 1
