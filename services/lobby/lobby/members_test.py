import pytest

from lobby.testing.api import OWNER, Answer, Api
from lobby.testing.world import World


def remove(api: Api, game_id: str, member: str, user: str) -> Answer:
    return api.call("DELETE", f"/api/v1/games/{game_id}/members/{member}", user)


def join(api: Api, game_id: str, user: str = OWNER, race: str = "Owls") -> Answer:
    return api.call("POST", f"/api/v1/games/{game_id}/members", user, {"race_name": race})


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_the_owner_joins_his_own_game(api: Api, world: World, visibility: str) -> None:
    game_id = api.open(visibility=visibility)
    world.messages()
    answer = join(api, game_id)
    assert (answer.status, answer.document["race_name"]) == (201, "Owls")
    assert world.messages() == []
    assert join(api, game_id).code == "conflict"
    assert api.game(game_id)["member_count"] == 1


def test_joining_takes_the_last_place_and_needs_a_free_race(api: Api) -> None:
    game_id = api.open(max_players=2)
    api.enrol(game_id, "ada")
    assert join(api, game_id, race="\uff21\uff24\uff21").code == "race_name_taken"
    api.done(join(api, game_id))
    assert api.status(game_id) == "ready_to_start"
    assert join(api, api.create()).code == "conflict"


def test_who_leaves_gives_place_and_race_name_back(api: Api, world: World) -> None:
    game_id = api.open()
    api.enrol(game_id, "ada")
    world.messages()
    gone = api.done(remove(api, game_id, "ada", "ada"))
    assert (gone["user_id"], gone["race_name"]) == ("ada", "Ada")
    (told,) = world.messages()
    assert told.recipients == [OWNER]
    assert told.payload == {
        "game_id": game_id,
        "game_name": "Friday night",
        "user_id": "ada",
        "reason": "left",
    }
    assert told.fields["idempotency_key"] == f"lobby.member_left:{game_id}:{api.game(game_id)['version']}"
    assert api.game(game_id)["member_count"] == 0
    api.done(api.apply(game_id, "bob", "ADA"))


def test_the_owner_removes_a_member_and_is_not_told(api: Api, world: World) -> None:
    game_id = api.open()
    api.enrol(game_id, "ada")
    api.done(join(api, game_id))
    world.messages()
    api.done(remove(api, game_id, "ada", OWNER))
    api.done(remove(api, game_id, OWNER, OWNER))
    assert world.messages() == []
    assert api.game(game_id)["member_count"] == 0


def test_who_may_end_a_membership(api: Api) -> None:
    game_id = api.ready()
    assert remove(api, game_id, "ada", "bob").code == "forbidden"
    assert remove(api, game_id, "ada", "eve").code == "forbidden"
    assert remove(api, game_id, "eve", "eve").code == "member_not_found"
    assert remove(api, game_id, "eve", OWNER).code == "member_not_found"
    assert remove(api, game_id, "no%20id", OWNER).code == "member_not_found"


def test_a_membership_can_end_until_the_game_does(api: Api) -> None:
    game_id = api.running("ada", "bob", "cyd")
    api.done(remove(api, game_id, "ada", "ada"))
    api.done(api.do(game_id, "pause"))
    api.done(remove(api, game_id, "bob", "bob"))
    api.done(api.do(game_id, "finish"))
    assert remove(api, game_id, "cyd", "cyd").code == "conflict"


def test_members_are_listed_as_they_joined(api: Api) -> None:
    game_id = api.ready("bob", "ada", "cyd")
    path = f"/api/v1/games/{game_id}/members"
    first = api.call("GET", f"{path}?page_size=2", "eve")
    second = api.call("GET", f"{path}?page_size=2&cursor={first.document['next_cursor']}", "eve")
    found = first.document["members"] + second.document["members"]
    assert [member["user_id"] for member in found] == ["bob", "ada", "cyd"]
    assert "next_cursor" not in second.document
