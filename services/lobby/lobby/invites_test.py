from typing import Any

import pytest

from lobby.testing.api import HOUR_MS, INVITE_TTL_MS, OWNER, Api, now_ms
from lobby.testing.world import World


def private(api: Api, **changes: Any) -> str:
    return api.open(visibility="private", **changes)


def invite(api: Api, game_id: str, invitee: str = "ada") -> str:
    found: str = api.done(api.invite(game_id, invitee))["invite_id"]
    return found


def answer(api: Api, game_id: str, invite_id: str, what: str, user: str) -> Any:
    if what == "accept":
        return api.accept(game_id, invite_id, user)
    return api.do(game_id, f"invites/{invite_id}/{what}", user)


def listed(api: Api, game_id: str, user: str, query: str = "") -> list[tuple[str, str]]:
    found = api.call("GET", f"/api/v1/games/{game_id}/invites{query}", user).document["invites"]
    return [(item["invitee_user_id"], item["status"]) for item in found]


def test_an_invite_is_told_and_shows_the_game(api: Api, world: World) -> None:
    game_id = private(api, enrollment_ends_at_ms=now_ms() + 10 * HOUR_MS)
    world.messages()
    reply = api.invite(game_id, "ada")
    document = api.done(reply)
    assert reply.status == 201
    assert document["status"] == "pending"
    assert document["expires_at_ms"] - document["created_at_ms"] == INVITE_TTL_MS
    (told,) = world.messages()
    assert told.fields["notification_type"] == "lobby.invite_created"
    assert told.fields["idempotency_key"] == f"lobby.invite_created:{document['invite_id']}"
    assert told.recipients == ["ada"]
    assert told.payload == {"game_id": game_id, "game_name": "Friday night", "inviter_user_id": OWNER}
    assert api.game(game_id, "ada")["game_id"] == game_id


def test_an_invite_ends_with_the_enrolment(api: Api) -> None:
    end = now_ms() + HOUR_MS
    assert api.done(api.invite(private(api, enrollment_ends_at_ms=end), "ada"))["expires_at_ms"] == end


def test_who_accepts_is_a_member(api: Api, world: World) -> None:
    game_id = private(api)
    invite_id = invite(api, game_id)
    world.messages()
    assert api.done(api.accept(game_id, invite_id, "ada", "Zerg"))["status"] == "accepted"
    (told,) = world.messages()
    assert (told.fields["notification_type"], told.recipients) == ("lobby.invite_accepted", [OWNER])
    assert told.payload["invitee_user_id"] == "ada"
    (member,) = api.call("GET", f"/api/v1/games/{game_id}/members", "ada").document["members"]
    assert (member["user_id"], member["race_name"]) == ("ada", "Zerg")


def test_the_last_one_to_accept_closes_the_enrolment(api: Api, world: World) -> None:
    game_id = private(api, max_players=2)
    one, two, three = (invite(api, game_id, user) for user in ("ada", "bob", "cyd"))
    api.done(api.accept(game_id, one, "ada"))
    world.messages()
    api.done(api.accept(game_id, two, "bob"))
    kinds = [message.fields["notification_type"] for message in world.messages()]
    assert kinds == ["lobby.invite_accepted", "lobby.game_ready"]
    assert api.accept(game_id, three, "cyd").code == "conflict"
    assert listed(api, game_id, OWNER, "?status=revoked") == [("cyd", "revoked")]


def test_a_race_name_is_taken_by_accepting(api: Api) -> None:
    game_id = private(api)
    one, two = invite(api, game_id, "ada"), invite(api, game_id, "bob")
    api.done(api.accept(game_id, one, "ada", "Stra\u00dfe"))
    assert api.accept(game_id, two, "bob", "STRASSE").code == "race_name_taken"
    assert listed(api, game_id, "bob") == [("bob", "pending")]
    api.done(api.accept(game_id, two, "bob", "Road"))


def test_declining_is_told_and_revoking_is_not(api: Api, world: World) -> None:
    game_id = private(api)
    one, two = invite(api, game_id, "ada"), invite(api, game_id, "bob")
    world.messages()
    assert api.done(answer(api, game_id, one, "decline", "ada"))["status"] == "declined"
    (told,) = world.messages()
    assert (told.fields["notification_type"], told.recipients) == ("lobby.invite_declined", [OWNER])
    assert api.done(answer(api, game_id, two, "revoke", OWNER))["status"] == "revoked"
    assert world.messages() == []
    assert listed(api, game_id, OWNER) == [("bob", "revoked"), ("ada", "declined")]


def test_who_may_decide_an_invite(api: Api) -> None:
    game_id = private(api)
    invite_id = invite(api, game_id, "ada")
    joined = invite(api, game_id, "bob")
    api.done(api.accept(game_id, joined, "bob"))
    for what in ("accept", "decline"):
        assert answer(api, game_id, invite_id, what, OWNER).code == "forbidden"
        assert answer(api, game_id, invite_id, what, "bob").code == "invite_not_found"
        assert answer(api, game_id, invite_id, what, "eve").code == "game_not_found"
    assert answer(api, game_id, invite_id, "revoke", "ada").code == "forbidden"
    assert answer(api, game_id, "i-1", "revoke", OWNER).code == "invite_not_found"
    assert answer(api, game_id, "no%20id", "decline", OWNER).code == "invite_not_found"
    other = private(api)
    assert answer(api, other, invite_id, "revoke", OWNER).code == "invite_not_found"


@pytest.mark.parametrize(("what", "user"), [("accept", "ada"), ("decline", "ada"), ("revoke", OWNER)])
def test_what_is_decided_stays(api: Api, what: str, user: str) -> None:
    game_id = private(api)
    invite_id = invite(api, game_id)
    api.done(answer(api, game_id, invite_id, what, user))
    for again, who in (("accept", "ada"), ("decline", "ada"), ("revoke", OWNER)):
        assert answer(api, game_id, invite_id, again, who).code == "conflict"


def test_an_invite_that_is_over_is_expired_before_anybody_wrote_it_down(api: Api, world: World) -> None:
    game_id = private(api)
    invite_id = invite(api, game_id)
    world.sql("UPDATE invites SET expires_at_ms = now_ms()")
    for what, user in (("accept", "ada"), ("decline", "ada"), ("revoke", OWNER)):
        late = answer(api, game_id, invite_id, what, user)
        assert (late.status, late.code) == (410, "invite_expired")
    assert listed(api, game_id, OWNER) == [("ada", "expired")]
    assert listed(api, game_id, OWNER, "?status=pending") == []
    assert world.value("SELECT status FROM invites") == "pending"
    # A new one takes its place.
    assert api.done(api.accept(game_id, invite(api, game_id), "ada"))["status"] == "accepted"
    assert answer(api, game_id, invite_id, "accept", "ada").code == "invite_expired"


def test_who_may_be_invited(api: Api) -> None:
    assert api.invite(api.open(), "ada").code == "conflict"
    assert api.invite(api.create(visibility="private"), "ada").code == "conflict"
    game_id = private(api)
    assert api.invite(game_id, OWNER).code == "conflict"
    invite_id = invite(api, game_id)
    assert api.invite(game_id, "ada").code == "conflict"
    api.done(api.accept(game_id, invite_id, "ada"))
    assert api.invite(game_id, "ada").code == "conflict"
    assert api.invite(game_id, "bob", "ada").code == "forbidden"
    assert api.invite(game_id, "no id").code == "invalid_request"


def test_a_member_who_left_can_be_invited_again(api: Api) -> None:
    game_id = private(api)
    for _ in range(2):
        api.done(api.accept(game_id, invite(api, game_id), "ada"))
        api.done(api.call("DELETE", f"/api/v1/games/{game_id}/members/ada", "ada"))
    assert api.call("GET", f"/api/v1/games/{game_id}", "ada").code == "game_not_found"


def test_others_see_their_own_invites(api: Api) -> None:
    game_id = private(api)
    for user in ("ada", "bob", "cyd"):
        invite(api, game_id, user)
    assert listed(api, game_id, OWNER) == [("cyd", "pending"), ("bob", "pending"), ("ada", "pending")]
    assert listed(api, game_id, "bob") == [("bob", "pending")]
    first = api.call("GET", f"/api/v1/games/{game_id}/invites?page_size=2", OWNER)
    cursor = first.document["next_cursor"]
    assert listed(api, game_id, OWNER, f"?page_size=2&cursor={cursor}") == [("ada", "pending")]
