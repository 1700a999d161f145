from typing import Any

import pytest

from lobby import commands
from lobby.testing.api import OWNER, Api, draft
from lobby.testing.world import World

TRACE = "0af7651916cd43dd8448eb211c80319c"


NO_USERS = [None, "", "a b", "a/b", "\u00e9", "x" * 129]


def test_without_a_user_nothing_is_done(api: Api) -> None:
    for user in NO_USERS:
        for answer in (
            api.call("GET", "/api/v1/games", user),
            api.call("POST", "/api/v1/games", user, draft()),
            api.command("lobby.list_games", user, {}),
        ):
            assert (answer.status, answer.code) == (401, "unauthenticated"), user


NO_DOCUMENTS = [b"", b"{", b"[]", b"{}{}", b'{"name":"a","name":"b"}', b'{"race_name":1}', b"\xff", b"null"]


def test_a_body_that_is_not_exactly_the_document_is_refused(api: Api) -> None:
    game_id = api.open()
    for body in NO_DOCUMENTS:
        rest = api.call("POST", f"/api/v1/games/{game_id}/applications", "ada", body)
        assert (rest.status, rest.code) == (400, "invalid_request"), body
        command = api.command("lobby.submit_application", "ada", body)
        assert (command.status, command.code) == (400, "invalid_request"), body


def test_an_operation_without_a_body_takes_none(api: Api) -> None:
    assert (
        api.call("POST", f"/api/v1/games/{api.create()}/open-enrollment", OWNER, {}).code == "invalid_request"
    )


def test_an_unknown_command(api: Api) -> None:
    for name in ("lobby.unknown", "lobby.create_games", "user.create", "lobby.", "%00"):
        answer = api.command(name, "ada", {})
        assert (answer.status, answer.code) == (404, "unknown_command")


def test_a_command_is_octets(api: Api) -> None:
    answer = api.call("POST", f"{commands.PATH}lobby.list_games", "ada", {})
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


def test_a_game_by_commands_alone(api: Api, world: World) -> None:
    def command(name: str, user: str, **document: Any) -> dict[str, Any]:
        return api.done(api.command(f"lobby.{name}", user, document))

    created = api.command("lobby.create_game", OWNER, draft())
    assert created.status == 201
    game_id = created.document["game_id"]
    assert command("update_game", OWNER, game_id=game_id, max_players=3)["max_players"] == 3
    assert command("open_enrollment", OWNER, game_id=game_id)["status"] == "enrollment_open"
    for user in ("ada", "bob", "cyd"):
        applied = command("submit_application", user, game_id=game_id, race_name=user)
        what = {"ada": "approve", "bob": "reject", "cyd": "withdraw"}[user]
        by = user if what == "withdraw" else OWNER
        command(f"{what}_application", by, game_id=game_id, application_id=applied["application_id"])
    assert len(command("list_applications", OWNER, game_id=game_id, page_size=2)["applications"]) == 2
    assert command("join_game", OWNER, game_id=game_id, race_name="Owls")["user_id"] == OWNER
    assert command("close_enrollment", OWNER, game_id=game_id)["status"] == "ready_to_start"
    command("start_game", OWNER, game_id=game_id)
    world.take(world.result(game_id))
    assert command("pause_game", OWNER, game_id=game_id)["status"] == "paused"
    assert command("resume_game", OWNER, game_id=game_id)["status"] == "running"
    command("remove_member", "ada", game_id=game_id, user_id="ada")
    assert [item["user_id"] for item in command("list_members", "eve", game_id=game_id)["members"]] == [OWNER]
    assert command("finish_game", OWNER, game_id=game_id)["status"] == "finished"
    assert [game["game_id"] for game in command("list_games", "eve", status="finished")["games"]] == [game_id]
    assert command("get_game", "eve", game_id=game_id) == api.game(game_id)

    private = api.open(visibility="private")
    accepted, declined, revoked = (
        command("create_invite", OWNER, game_id=private, invitee_user_id=user)["invite_id"]
        for user in ("ada", "bob", "cyd")
    )
    command("accept_invite", "ada", game_id=private, invite_id=accepted, race_name="Ada")
    command("decline_invite", "bob", game_id=private, invite_id=declined)
    command("revoke_invite", OWNER, game_id=private, invite_id=revoked)
    invites = command("list_invites", OWNER, game_id=private)["invites"]
    assert [item["status"] for item in invites] == ["revoked", "declined", "accepted"]
    assert command("cancel_game", OWNER, game_id=private)["status"] == "cancelled"


def test_a_command_has_the_errors_of_its_operation(api: Api) -> None:
    game_id = api.open()
    assert api.command("lobby.cancel_game", "eve", {"game_id": game_id}).code == "forbidden"
    assert api.command("lobby.start_game", OWNER, {"game_id": game_id}).code == "conflict"
    assert api.command("lobby.get_game", "eve", {"game_id": "g-1"}).code == "game_not_found"
    for document in ({}, {"game_id": "a b"}, {"game_id": 1}, {"game_id": game_id, "more": 1}):
        assert api.command("lobby.get_game", "eve", document).code == "invalid_request"


def test_a_command_carries_request_and_trace(api: Api, world: World) -> None:
    game_id = api.open()
    world.messages()
    traceparent = f"00-{TRACE}-b7ad6b7169203331-01"
    document = {"game_id": game_id, "race_name": "Ada"}
    api.command("lobby.submit_application", "ada", document, x_request_id="r-7", traceparent=traceparent)
    (told,) = world.messages()
    assert (told.fields["request_id"], told.fields["trace_id"]) == ("r-7", TRACE)


@pytest.mark.parametrize(
    "traceparent", ["", "00-0-0-01", f"00-{'0' * 32}-b7ad6b7169203331-01", f"ff-{TRACE}-b7ad6b7169203331-01"]
)
def test_a_trace_that_is_none(api: Api, world: World, traceparent: str) -> None:
    game_id = api.open()
    world.messages()
    path = f"/api/v1/games/{game_id}/applications"
    api.done(api.call("POST", path, "ada", {"race_name": "Ada"}, traceparent=traceparent))
    (told,) = world.messages()
    assert told.fields["trace_id"] == ""


def test_the_transaction_of_a_failure_leaves_nothing(api: Api, world: World) -> None:
    game_id = api.open(max_players=2)
    api.enrol(game_id, "ada")
    application_id = api.done(api.apply(game_id, "bob"))["application_id"]
    world.messages()
    # The last step of an approval that fills the game is its outbox.
    world.sql(
        "ALTER TABLE outbox ADD CONSTRAINT refused CHECK (fields->>'notification_type' <> 'lobby.game_ready')"
    )
    assert api.decide(game_id, application_id, "approve").status == 500
    assert api.game(game_id)["member_count"] == 1
    assert api.status(game_id) == "enrollment_open"
    assert world.messages() == []
    world.sql("ALTER TABLE outbox DROP CONSTRAINT refused")
    api.done(api.decide(game_id, application_id, "approve"))
