import pytest

from lobby.testing.api import HOUR_MS, OWNER, Api, now_ms
from lobby.testing.world import World


def page(api: Api, game_id: str, user: str, query: str = "") -> list[str]:
    answer = api.call("GET", f"/api/v1/games/{game_id}/applications{query}", user)
    return [item["user_id"] for item in answer.document["applications"]]


def members(api: Api, game_id: str) -> list[tuple[str, str]]:
    found = api.call("GET", f"/api/v1/games/{game_id}/members", OWNER).document["members"]
    return [(member["user_id"], member["race_name"]) for member in found]


def test_an_application_is_told_to_the_owner(api: Api, world: World) -> None:
    game_id = api.open()
    world.messages()
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer = api.call(
        "POST", f"/api/v1/games/{game_id}/applications", "ada", {"race_name": " \uff21da "},
        x_request_id="r-1", traceparent=f"00-{trace}-b7ad6b7169203331-01",
    )  # fmt: skip
    application = api.done(answer)
    assert answer.status == 201
    assert (application["status"], application["race_name"], application["user_id"]) == (
        "pending",
        "\uff21da",
        "ada",
    )
    assert "decided_at_ms" not in application
    (told,) = world.messages()
    occurred = told.fields.pop("occurred_at_ms")
    assert abs(int(occurred) - now_ms()) < HOUR_MS
    assert told.payload == {
        "game_id": game_id,
        "game_name": "Friday night",
        "applicant_user_id": "ada",
        "race_name": "\uff21da",
    }
    del told.fields["payload"]
    assert told.fields == {
        "notification_type": "lobby.application_submitted",
        "producer": "lobby",
        "audience_kind": "user",
        "recipient_user_ids": '["olga"]',
        "idempotency_key": f"lobby.application_submitted:{application['application_id']}",
        "request_id": "r-1",
        "trace_id": trace,
    }


def test_an_approved_applicant_is_a_member(api: Api, world: World) -> None:
    game_id = api.open()
    application = api.done(api.apply(game_id, "ada"))
    world.messages()
    decided = api.done(api.decide(game_id, application["application_id"], "approve"))
    assert decided["status"] == "approved"
    assert decided["decided_at_ms"] >= decided["created_at_ms"]
    assert members(api, game_id) == [("ada", "Ada")]
    assert api.game(game_id)["member_count"] == 1
    (told,) = world.messages()
    assert told.fields["notification_type"] == "lobby.application_approved"
    assert told.recipients == ["ada"]


def test_a_rejected_applicant_gives_his_race_name_back(api: Api, world: World) -> None:
    game_id = api.open()
    application = api.done(api.apply(game_id, "ada", "Terrans"))
    assert api.apply(game_id, "bob", "TERRANS").code == "race_name_taken"
    world.messages()
    assert api.done(api.decide(game_id, application["application_id"], "reject"))["status"] == "rejected"
    (told,) = world.messages()
    assert (told.fields["notification_type"], told.recipients) == ("lobby.application_rejected", ["ada"])
    api.done(api.apply(game_id, "bob", "TERRANS"))
    api.done(api.apply(game_id, "ada", "Zerg"))  # and may try again


def test_a_withdrawn_application_gives_the_race_name_back(api: Api, world: World) -> None:
    game_id = api.open()
    application_id = api.done(api.apply(game_id, "ada", "Terrans"))["application_id"]
    world.messages()
    assert api.decide(game_id, application_id, "withdraw").code == "forbidden"
    assert api.decide(game_id, application_id, "withdraw", "eve").code == "application_not_found"
    assert api.done(api.decide(game_id, application_id, "withdraw", "ada"))["status"] == "withdrawn"
    assert world.messages() == []
    api.done(api.apply(game_id, "bob", "Terrans"))


@pytest.mark.parametrize("how", ["approve", "reject", "withdraw"])
def test_what_is_decided_stays(api: Api, how: str) -> None:
    game_id = api.open()
    application_id = api.done(api.apply(game_id, "ada"))["application_id"]
    api.done(api.decide(game_id, application_id, how, "ada" if how == "withdraw" else OWNER))
    for again, user in (("approve", OWNER), ("reject", OWNER), ("withdraw", "ada")):
        assert api.decide(game_id, application_id, again, user).code == "conflict"


def test_an_application_of_another_game_is_not_there(api: Api) -> None:
    one, other = api.open(), api.open()
    application_id = api.done(api.apply(one, "ada"))["application_id"]
    for unknown in (application_id, "a-1", "no%20id"):
        assert api.decide(other, unknown, "approve").code == "application_not_found"


def test_the_last_place_closes_the_enrolment(api: Api, world: World) -> None:
    game_id = api.open(max_players=2)
    first, second, third = (
        api.done(api.apply(game_id, user))["application_id"] for user in ("ada", "bob", "cyd")
    )
    api.done(api.decide(game_id, first, "approve"))
    world.messages()
    api.done(api.decide(game_id, second, "approve"))
    assert api.status(game_id) == "ready_to_start"
    kinds = [(message.fields["notification_type"], message.recipients) for message in world.messages()]
    assert kinds == [
        ("lobby.application_approved", ["bob"]),
        ("lobby.application_rejected", ["cyd"]),
        ("lobby.game_ready", [OWNER]),
    ]
    assert api.decide(game_id, third, "approve").code == "conflict"


def test_who_may_apply(api: Api, world: World) -> None:
    draft, game_id, private = api.create(), api.open(), api.open(visibility="private")
    assert api.apply(draft, "ada").code == "conflict"
    assert api.apply(game_id, OWNER).code == "conflict"
    api.done(api.invite(private, "ada"))
    assert api.apply(private, "ada").code == "conflict"
    api.done(api.apply(game_id, "ada"))
    assert api.apply(game_id, "ada", "Another").code == "conflict"
    assert api.apply(game_id, "ada").code == "conflict"
    api.enrol(game_id, "bob")
    assert api.apply(game_id, "bob", "Another").code == "conflict"
    world.sql("UPDATE games SET enrollment_ends_at_ms = now_ms()")
    assert api.apply(game_id, "cyd").code == "conflict"
    assert api.status(game_id) == "enrollment_open"  # the ticker has not come by


NO_RACES = ["", " ", "a\u200bb", "a\u0000", "...", "x" * 33]


def test_what_is_no_race_name(api: Api) -> None:
    game_id = api.open()
    for race in NO_RACES:
        answer = api.apply(game_id, "ada", race)
        assert (answer.status, answer.code) == (400, "invalid_request"), race


def test_the_owner_sees_all_applications_and_others_their_own(api: Api) -> None:
    game_id = api.open()
    for user in ("ada", "bob", "cyd"):
        api.done(api.apply(game_id, user))
    api.enrol(api.open(), "dan")
    assert page(api, game_id, OWNER) == ["cyd", "bob", "ada"]
    assert page(api, game_id, "bob") == ["bob"]
    assert page(api, game_id, "eve") == []
    assert page(api, game_id, OWNER, "?status=approved") == []
    first = api.call("GET", f"/api/v1/games/{game_id}/applications?page_size=2", OWNER)
    assert page(api, game_id, OWNER, f"?page_size=2&cursor={first.document['next_cursor']}") == ["ada"]
