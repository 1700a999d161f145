from typing import Any

import pytest
from servicekit.streams import Reject

from lobby.lifecycle_test import game_in
from lobby.states import STATES, State
from lobby.testing.api import OWNER, Api
from lobby.testing.world import World
from lobby.users import Users


def kinds(world: World) -> list[tuple[str, list[str]]]:
    return [
        (message.fields["notification_type"].removeprefix("lobby."), message.recipients)
        for message in world.messages("notification:intents")
    ]


@pytest.mark.parametrize("state", [state for state in STATES if state != "draft"])
def test_a_blocked_member_leaves_every_game_that_goes_on(api: Api, world: World, state: State) -> None:
    game_id = game_in(api, world, state)
    world.messages()
    world.take_user("user.blocked", "ada")
    left = state not in {"finished", "cancelled"}
    members = [member["user_id"] for member in api.internal(game_id).document["members"]]
    assert members == (["bob"] if left else ["ada", "bob"])
    assert api.status(game_id) == state
    assert kinds(world) == ([("member_left", [OWNER])] if left else [])
    assert api.game(game_id)["member_count"] == len(members)


def test_the_owner_is_told_why(api: Api, world: World) -> None:
    api.ready()
    world.messages()
    world.take_user("user.deleted", "ada")
    (told,) = world.messages()
    assert (told.payload["user_id"], told.payload["reason"]) == ("ada", "user_deleted")
    assert told.fields["request_id"].startswith("user:lifecycle_events:1700000000000-")


def test_applications_and_invites_of_a_blocked_user_end(api: Api, world: World) -> None:
    public, private = api.open(), api.open(visibility="private")
    application_id = api.done(api.apply(public, "ada", "Terrans"))["application_id"]
    invite_id = api.done(api.invite(private, "ada"))["invite_id"]
    world.messages()
    world.take_user("user.blocked", "ada")
    assert kinds(world) == []
    assert api.decide(public, application_id, "approve").code == "conflict"
    assert api.accept(private, invite_id, "ada").code == "conflict"
    assert world.value("SELECT status FROM applications") == "withdrawn"
    assert world.value("SELECT status FROM invites") == "revoked"
    api.done(api.apply(public, "bob", "terrans"))


@pytest.mark.parametrize("state", STATES)
def test_games_of_a_blocked_owner_end_if_they_have_not_begun(api: Api, world: World, state: State) -> None:
    game_id = game_in(api, world, state)
    world.messages()
    world.take_user("user.blocked", OWNER)
    begun = state in {"running", "paused", "finished"}
    assert api.status(game_id) == (state if begun else "cancelled")
    stops = world.messages("runtime:stop_jobs")
    assert len(stops) == (1 if state == "starting" else 0)
    told = [("game_cancelled", ["ada", "bob"])]
    assert kinds(world) == ([] if begun or state in {"draft", "cancelled"} else told)


def test_an_owner_who_plays_leaves_and_his_game_ends(api: Api, world: World) -> None:
    game_id = api.open()
    api.enrol(game_id, "ada")
    api.done(api.call("POST", f"/api/v1/games/{game_id}/members", OWNER, {"race_name": "Owls"}))
    world.messages()
    world.take_user("user.blocked", OWNER)
    assert api.game(game_id)["status"] == "cancelled"
    assert api.game(game_id)["member_count"] == 1
    assert kinds(world) == [("game_cancelled", ["ada"])]


def test_all_games_at_once_and_once(api: Api, world: World) -> None:
    games = [api.running(), api.ready(), api.ready()]
    entry = world.entry(event="user.blocked", user_id="ada", occurred_at_ms="1700000000000")
    world.messages()
    world.run(Users(world.database).handle(entry))
    assert len(kinds(world)) == 3
    # He is unblocked, and back in a game, when the entry comes again.
    world.take_user("user.unblocked", "ada")
    game_id = api.ready()
    world.messages()
    world.run(Users(world.database).handle(entry))
    assert api.game(game_id)["member_count"] == 2
    assert [api.game(game)["member_count"] for game in games] == [1, 1, 1]
    assert world.messages() == []


@pytest.mark.parametrize("event", ["user.unblocked", "user.renamed", "billing.paid"])
def test_other_events_change_nothing(api: Api, world: World, event: str) -> None:
    game_id = api.ready()
    before = api.game(game_id)
    world.take_user(event, "ada")
    world.take_user(event, OWNER)
    assert api.game(game_id) == before


def test_a_user_whom_nobody_knows(world: World) -> None:
    world.take_user("user.deleted", "nobody")
    assert world.messages() == []


NO_EVENTS: list[tuple[dict[str, Any], str]] = [
    ({"event": "Blocked!"}, "event"),
    ({"user_id": ""}, "user_id"),
    ({"user_id": "a/b"}, "user_id"),
    ({"occurred_at_ms": "soon"}, "occurred_at_ms"),
    ({"reason_code": "x" * 200}, "reason_code"),
    ({"user_id": b"\xff"}, "user_id"),
]


def test_what_is_no_event_is_set_aside(world: World) -> None:
    for fields, reason in NO_EVENTS:
        good = {"event": "user.blocked", "user_id": "ada", "occurred_at_ms": "1700000000000"}
        with pytest.raises(Reject, match=reason):
            world.run(Users(world.database).handle(world.entry(**{**good, **fields})))


def test_further_fields_are_not_looked_at(api: Api, world: World) -> None:
    game_id = api.ready()
    entry = world.entry(
        event="user.blocked", user_id="ada", occurred_at_ms="1700000000000", reason_code="spam", more="x"
    )
    world.run(Users(world.database).handle(entry))
    assert api.game(game_id)["member_count"] == 1
