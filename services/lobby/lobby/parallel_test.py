"""Changes of one game at the same time, over connections of their own: exactly one wins."""

import pytest

from lobby.lifecycle_test import STOP_JOBS
from lobby.results import Results
from lobby.testing.api import Answer, Api
from lobby.testing.world import World
from lobby.users import Users


def won(answers: list[Answer]) -> int:
    assert {answer.code for answer in answers} <= {None, "conflict"}, answers
    return sum(answer.code is None for answer in answers)


def test_the_last_place_is_given_once(api: Api, world: World) -> None:
    game_id = api.open(max_players=2)
    api.enrol(game_id, "ada")
    applications = [api.done(api.apply(game_id, user))["application_id"] for user in ("bob", "cyd", "dan")]
    world.messages()
    answers = world.together_at(
        game_id, *(api.doing(game_id, f"applications/{each}/approve") for each in applications)
    )
    assert won(answers) == 1
    assert api.game(game_id)["member_count"] == 2
    assert api.status(game_id) == "ready_to_start"
    kinds = [message.fields["notification_type"].removeprefix("lobby.") for message in world.messages()]
    assert sorted(kinds) == [
        "application_approved",
        "application_rejected",
        "application_rejected",
        "game_ready",
    ]


def test_a_game_is_started_once(api: Api, world: World) -> None:
    game_id = api.ready()
    world.messages()
    answers = world.together_at(game_id, *(api.doing(game_id, "start") for _ in range(4)))
    assert won(answers) == 1
    assert len(world.messages("runtime:start_jobs")) == 1
    assert api.internal(game_id).document["start_attempt"] == 1


@pytest.mark.parametrize("turn", range(4))
def test_a_cancel_and_a_result_leave_a_game_in_one_state(api: Api, world: World, turn: int) -> None:
    game_id = api.starting()
    entry = world.result(game_id)
    world.messages()

    async def cancel() -> bool:
        return (await api.doing(game_id, "cancel")).code is None

    async def result() -> bool:
        await Results(world.database).handle(entry)
        return True

    works = [cancel(), result()] if turn % 2 else [result(), cancel()]
    outcome = world.together_at(game_id, *works)
    cancelled = outcome[0 if turn % 2 else 1]
    assert api.status(game_id) == ("cancelled" if cancelled else "running")
    stops = world.messages(STOP_JOBS)
    # The cancel's own, and one more for the success that came after it: nothing is left running.
    assert len(stops) == (2 if cancelled else 0)


def test_a_race_name_is_given_once(api: Api, world: World) -> None:
    spellings = ["Terrans", "TERRANS", "terrans", "\uff34\uff45\uff52\uff52\uff41\uff4e\uff53", " Terrans "]
    for _ in range(5):
        game_id = api.open()
        answers = world.together(
            *(api.applying(game_id, f"user{index}", race) for index, race in enumerate(spellings))
        )
        assert sorted(answer.code or "" for answer in answers) == ["", *["race_name_taken"] * 4]
        assert world.value("SELECT count(*) FROM races WHERE game_id = $1", game_id) == 1


def test_a_user_is_in_a_game_once(api: Api, world: World) -> None:
    for _ in range(5):
        game_id = api.open()
        answers = world.together(*(api.applying(game_id, "ada", f"Race {index}") for index in range(4)))
        assert won(answers) == 1
        assert world.value("SELECT count(*) FROM races WHERE game_id = $1", game_id) == 1


def test_an_application_is_decided_once(api: Api, world: World) -> None:
    game_id = api.open()
    application_id = api.done(api.apply(game_id, "ada"))["application_id"]
    path = f"applications/{application_id}"
    answers = world.together_at(
        game_id,
        api.doing(game_id, f"{path}/approve"),
        api.doing(game_id, f"{path}/reject"),
        api.doing(game_id, f"{path}/withdraw", "ada"),
    )
    assert won(answers) == 1
    members = api.game(game_id)["member_count"]
    status = world.value("SELECT status FROM applications")
    assert members == (1 if status == "approved" else 0)
    assert world.value("SELECT count(*) FROM races") == members


def test_an_invite_is_decided_once(api: Api, world: World) -> None:
    game_id = api.open(visibility="private")
    path = f"invites/{api.done(api.invite(game_id, 'ada'))['invite_id']}"
    answers = world.together_at(
        game_id,
        api.request("POST", f"/api/v1/games/{game_id}/{path}/accept", "ada", {"race_name": "Zerg"}),
        api.doing(game_id, f"{path}/decline", "ada"),
        api.doing(game_id, f"{path}/revoke"),
    )
    assert won(answers) == 1
    accepted = world.value("SELECT status FROM invites") == "accepted"
    assert api.game(game_id)["member_count"] == int(accepted)


def test_the_end_of_enrolment_and_an_approval(api: Api, world: World) -> None:
    game_id = api.open()
    api.enrol(game_id, "ada", "bob")
    application_id = api.done(api.apply(game_id, "cyd"))["application_id"]
    answers = world.together_at(
        game_id,
        api.doing(game_id, f"applications/{application_id}/approve"),
        api.doing(game_id, "close-enrollment"),
    )
    assert answers[1].code is None
    status = world.value("SELECT status FROM applications WHERE user_id = 'cyd'")
    assert status == ("approved" if answers[0].code is None else "rejected")
    assert api.game(game_id)["member_count"] == (3 if status == "approved" else 2)


def test_one_entry_in_two_instances_is_taken_once(api: Api, world: World) -> None:
    game_id = api.starting()
    entry = world.result(game_id)
    world.messages()
    world.together(*(Results(world.database).handle(entry) for _ in range(4)))
    assert len(world.messages()) == 1


def test_users_who_leave_many_games_at_once_do_not_wait_for_each_other(api: Api, world: World) -> None:
    users = ["ada", "bob", "cyd"]
    games = [api.ready(*users, max_players=3) for _ in range(4)]
    entries = [
        world.entry(event="user.blocked", user_id=user, occurred_at_ms="1700000000000") for user in users
    ]
    world.together(*(Users(world.database).handle(entry) for entry in entries))
    assert [(api.game(game)["member_count"], api.status(game)) for game in games] == [
        (0, "ready_to_start")
    ] * 4
