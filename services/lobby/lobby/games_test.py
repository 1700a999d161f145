from typing import Any

from lobby.testing.api import HOUR_MS, OWNER, Api, draft, now_ms
from lobby.testing.world import World


def create(api: Api, user: str | None = OWNER, **changes: Any) -> Any:
    return api.call("POST", "/api/v1/games", user, draft(**changes))


def test_a_new_game_is_a_draft_of_its_creator(api: Api) -> None:
    before = now_ms()
    document = api.done(create(api, "ada", name="  Late\u3000 night ", visibility="private"))
    assert document["owner_user_id"] == "ada"
    assert document["name"] == "Late night"
    assert (document["status"], document["version"], document["member_count"]) == ("draft", 1, 0)
    assert document["created_at_ms"] == document["updated_at_ms"]
    assert before - 1000 <= document["created_at_ms"] <= now_ms() + 1000
    assert not {"started_at_ms", "ended_at_ms", "start_error_code"} & set(document)
    assert api.game(document["game_id"], "ada") == document


NO_GAMES: list[dict[str, Any]] = [
    {"name": ""},
    {"name": " "},
    {"name": "x" * 65},
    {"name": "a\nb"},
    {"name": "a\u0000b"},
    {"visibility": "secret"},
    {"min_players": 1},
    {"min_players": 2.5},
    {"min_players": "2"},
    {"min_players": True},
    {"max_players": 65},
    {"min_players": 5, "max_players": 4},
    {"enrollment_ends_at_ms": 1},
    {"enrollment_ends_at_ms": 1 << 60},
    {"enrollment_ends_at_ms": None},
    {"image_ref": "engine"},
    {"image_ref": "engine:latest"},
    {"image_ref": "engine:1.2"},
    {"image_ref": "engine:1.2.3\n"},
    {"image_ref": "engine:01.2.3"},
    {"image_ref": "Engine:1.2.3"},
    {"image_ref": "engine: 1.2.3"},
    {"owner_user_id": "eve"},
]


def test_what_is_no_game(api: Api) -> None:
    for changes in NO_GAMES:
        answer = create(api, **changes)
        assert (answer.status, answer.code) == (400, "invalid_request"), changes


IMAGES = [
    "engine:1.2.3",
    "seatrial/engine:10.0.1-it.4",
    "localhost:5000/a/b_c-d:v1.0.0",
    "Registry.test/engine:0.0.0",
]


def test_image_references(api: Api) -> None:
    for image_ref in IMAGES:
        assert api.done(create(api, image_ref=image_ref))["image_ref"] == image_ref


def test_a_private_game_that_is_not_yours_is_not_there(api: Api) -> None:
    private = api.open(visibility="private")
    unknown = "g-" + "0" * 32
    for game_id in (private, unknown, "no%20id", "%00"):
        for method, path, document in [
            ("GET", "", None),
            ("PATCH", "", {"name": "x"}),
            ("POST", "/start", None),
            ("POST", "/cancel", None),
            ("POST", "/applications", {"race_name": "Eve"}),
            ("GET", "/applications", None),
            ("POST", "/invites", {"invitee_user_id": "eve"}),
            ("GET", "/invites", None),
            ("POST", "/invites/i-1/accept", {"race_name": "Eve"}),
            ("GET", "/members", None),
            ("POST", "/members", {"race_name": "Eve"}),
            ("DELETE", "/members/ada", None),
        ]:
            answer = api.call(method, f"/api/v1/games/{game_id}{path}", "eve", document)
            assert (answer.status, answer.code) == (404, "game_not_found"), (method, path)


def test_a_public_game_can_be_read_by_everybody_and_changed_by_its_owner(api: Api) -> None:
    game_id = api.create()
    assert api.game(game_id, "eve")["name"] == "Friday night"
    for method, path, document in [
        ("PATCH", "", {"name": "x"}),
        ("POST", "/open-enrollment", None),
        ("POST", "/close-enrollment", None),
        ("POST", "/start", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/finish", None),
        ("POST", "/cancel", None),
        ("POST", "/applications/a-1/approve", None),
        ("POST", "/applications/a-1/reject", None),
        ("POST", "/invites", {"invitee_user_id": "eve"}),
        ("POST", "/members", {"race_name": "Eve"}),
        ("DELETE", "/members/ada", None),
    ]:
        answer = api.call(method, f"/api/v1/games/{game_id}{path}", "eve", document)
        assert (answer.status, answer.code) == (403, "forbidden"), (method, path)


def ids(answer: Any) -> list[str]:
    return [game["game_id"] for game in answer.document["games"]]


def listed(api: Api, user: str, query: str = "") -> list[str]:
    return ids(api.call("GET", f"/api/v1/games{query}", user))


def test_a_user_lists_what_he_may_see_newest_first(api: Api) -> None:
    others_draft = api.create()
    public = api.open()
    private = api.open(visibility="private")
    invited = api.open(visibility="private")
    api.done(api.invite(invited, "ada"))
    played = api.ready("ada", "bob")
    own_draft = api.create(owner="ada", visibility="private")
    assert listed(api, "ada") == [own_draft, played, invited, public]
    assert listed(api, OWNER) == [played, invited, private, public, others_draft]
    assert listed(api, "eve") == [played, public]
    assert listed(api, "ada", "?role=owner") == [own_draft]
    assert listed(api, "ada", "?role=member") == [played]
    assert listed(api, "ada", "?role=invitee") == [invited]
    assert listed(api, "ada", "?status=enrollment_open") == [invited, public]
    assert listed(api, "ada", "?visibility=private&status=draft") == [own_draft]


def test_an_invite_that_is_over_shows_the_game_no_more(api: Api, world: World) -> None:
    game_id = api.open(visibility="private")
    api.done(api.invite(game_id, "ada"))
    assert listed(api, "ada") == [game_id]
    world.sql("UPDATE invites SET expires_at_ms = now_ms()")
    assert listed(api, "ada") == []
    assert api.call("GET", f"/api/v1/games/{game_id}", "ada").code == "game_not_found"


def test_pages_are_stable_while_games_come(api: Api) -> None:
    made = [api.open() for _ in range(5)]
    first = api.call("GET", "/api/v1/games?page_size=2", "ada")
    api.open()
    second = api.call("GET", f"/api/v1/games?page_size=2&cursor={first.document['next_cursor']}", "ada")
    third = api.call("GET", f"/api/v1/games?page_size=2&cursor={second.document['next_cursor']}", "ada")
    assert ids(first) + ids(second) + ids(third) == made[::-1]
    assert "next_cursor" not in third.document


NO_QUERIES = [
    "page_size=0",
    "page_size=101",
    "page_size=x",
    "cursor=",
    "cursor=x",
    "cursor=p",
    "cursor=pfffffffffffffffff",
    "status=gone",
    "visibility=",
    "role=admin",
    "unknown=1",
    "status=draft&status=draft",
]


def test_a_query_of_another_form_is_refused(api: Api) -> None:
    for query in NO_QUERIES:
        answer = api.call("GET", f"/api/v1/games?{query}", "ada")
        assert (answer.status, answer.code) == (400, "invalid_request"), query


def patch(api: Api, game_id: str, **changes: Any) -> Any:
    return api.call("PATCH", f"/api/v1/games/{game_id}", OWNER, changes)


def test_a_draft_can_be_changed_in_everything(api: Api) -> None:
    game_id = api.create()
    end = now_ms() + 2 * HOUR_MS
    changes = draft(
        name="Other",
        visibility="private",
        min_players=3,
        max_players=8,
        enrollment_ends_at_ms=end,
        image_ref="a:2.0.0",
    )
    document = api.done(patch(api, game_id, **changes))
    assert document | changes == document
    assert document["version"] == 2


NO_CHANGES: list[dict[str, Any]] = [
    {},
    {"name": " "},
    {"name": None},
    {"status": "running"},
    {"min_players": 5},
    {"enrollment_ends_at_ms": 1},
]


def test_a_change_that_makes_no_sense_is_refused(api: Api) -> None:
    game_id = api.create()
    for changes in NO_CHANGES:
        assert patch(api, game_id, **changes).code == "invalid_request", changes


def test_what_may_be_changed_gets_less(api: Api, world: World) -> None:
    game_id = api.open(max_players=6)
    api.enrol(game_id, "ada", "bob", "cyd")
    assert patch(api, game_id, visibility="private").code == "conflict"
    assert patch(api, game_id, max_players=2).code == "conflict"
    api.done(patch(api, game_id, max_players=5, enrollment_ends_at_ms=now_ms() + 2 * HOUR_MS))
    assert api.done(patch(api, game_id, max_players=3))["status"] == "ready_to_start"
    assert patch(api, game_id, max_players=6).code == "conflict"
    api.done(patch(api, game_id, name="New", min_players=2, image_ref="a:2.0.0"))
    api.done(api.do(game_id, "start"))
    assert patch(api, game_id, name="Newer").code == "conflict"
    world.take(world.result(game_id, outcome="failure"))
    api.done(patch(api, game_id, image_ref="a:2.0.1"))
    api.done(api.do(game_id, "start"))
    world.take(world.result(game_id))
    assert patch(api, game_id, name="Newest").code == "conflict"
