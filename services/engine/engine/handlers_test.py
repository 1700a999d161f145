import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from servicekit.testing.loop import Loop

from engine.conftest import Api, serve
from engine.store import FILE
from engine.store_test import nearly_full

INIT = "/api/v1/admin/init"
STATUS = "/api/v1/admin/status"
TURN = "/api/v1/admin/turn"


def home(api: Api, race: str = "Ada") -> Any:
    (only,) = api.report(race)["systems"]
    return only


def test_a_game_from_its_beginning_to_orders_and_a_turn(api: Api) -> None:
    assert api.call("GET", "/healthz") == {"status": "ok"}
    assert api.call("GET", STATUS) == {"initialized": False, "game": None}
    assert api.init("Ada", "Bob")["turn"] == 0
    at = home(api)
    target = next(system["id"] for system in api.report()["others"] if system["owner"] is None)
    given = [
        {"kind": "build", "system": at["id"], "ships": 1},
        {"kind": "attack", "origin": at["id"], "destination": target, "ships": 4},
    ]
    assert api.order(*given) == {"race": "Ada", "turn": 0, "orders": given}
    assert api.report()["orders"] == given
    standings = api.call("GET", STATUS)["game"]["races"]
    assert [(item["race"], item["orders_given"]) for item in standings] == [("Ada", True), ("Bob", False)]
    assert api.turn()["turn"] == 1
    after = api.report()
    assert after["orders"] == []
    assert home(api)["ships"] == at["ships"] - 3
    assert [event["kind"] for event in after["events"]][:2] == ["departed", "built"]


def test_the_same_races_again_change_nothing_and_others_are_a_conflict(api: Api) -> None:
    first = api.init("Ada", "Bob")
    api.turn()
    assert api.init("BOB", "ada") == api.call("GET", STATUS)["game"] != first
    assert api.refused("POST", INIT, {"races": ["Ada", "Cyd"]}) == (409, "conflict")
    assert api.refused("POST", INIT, {"races": ["Ada", "Bob", "Cyd"]}) == (409, "conflict")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"races": []},
        {"races": ["Ada"]},
        {"races": [f"race {n}" for n in range(65)]},
        {"races": ["Ada", "ＡＤＡ"]},  # noqa: RUF001 - full width
        {"races": ["Ada", ""]},
        {"races": ["Ada", "x" * 65]},
        {"races": ["Ada", 1]},
        {"races": ["Ada", "Bob"], "seed": 1},
        {"races": ["Ada", "B\tb"]},
        ["Ada", "Bob"],
    ],
)
def test_races_in_another_form_are_refused(api: Api, document: object) -> None:
    assert api.refused("POST", INIT, document) == (400, "invalid_request")
    assert api.call("GET", STATUS)["initialized"] is False


def test_the_largest_game_is_taken(api: Api) -> None:
    names = ["\U0001d51e" * 60 + f"{n:04}" for n in range(64)]
    assert len(api.init(*names)["races"]) == 64
    assert api.report(names[5])["race"] == names[5]


def test_before_there_is_a_game_nothing_can_be_played(api: Api) -> None:
    assert api.refused("POST", TURN) == (409, "game_not_initialized")
    assert api.refused("GET", "/api/v1/reports/Ada") == (409, "game_not_initialized")
    assert api.refused("PUT", "/api/v1/orders/Ada", {"turn": 0, "orders": []}) == (
        409,
        "game_not_initialized",
    )


def test_a_race_is_found_by_any_spelling_and_no_other_is(api: Api) -> None:
    api.init("Ada/Lovelace", "Straße")
    assert api.report("ＡＤＡ/lovelace")["race"] == "Ada/Lovelace"  # noqa: RUF001 - full width
    assert api.order(race="STRASSE")["race"] == "Straße"
    assert api.refused("GET", "/api/v1/reports/Cyd") == (404, "race_not_found")
    assert api.refused("PUT", "/api/v1/orders/Cyd", {"turn": 0, "orders": []}) == (404, "race_not_found")


def test_orders_are_all_or_nothing_and_the_last_ones_count(api: Api) -> None:
    api.init()
    at = home(api)["id"]
    one, two = ({"kind": "build", "system": at, "ships": ships} for ships in (1, 2))
    api.order(two)
    wrong = {"turn": 0, "orders": [one, {"kind": "build", "system": at, "ships": 100}]}
    assert api.refused("PUT", "/api/v1/orders/Ada", wrong) == (400, "invalid_order")
    assert api.report()["orders"] == [two]
    api.order(one)
    assert api.report()["orders"] == [one]


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "destroy", "system": "s001", "ships": 1},
        {"kind": "build", "system": "s001"},
        {"kind": "build", "system": "s001", "ships": 0},
        {"kind": "build", "system": "s001", "ships": 1.5},
        {"kind": "build", "system": "s1", "ships": 1},
        {"kind": "build", "system": "s001", "ships": 1, "origin": "s001"},
        {"system": "s001", "ships": 1},
    ],
)
def test_orders_in_another_form_are_refused(api: Api, order: object) -> None:
    api.init()
    document = {"turn": 0, "orders": [order]}
    assert api.refused("PUT", "/api/v1/orders/Ada", document) == (400, "invalid_request")


def test_a_turn_that_has_passed_cannot_be_ordered_or_played_again(api: Api) -> None:
    api.init()
    assert api.call("POST", f"{TURN}?expected_turn=0")["turn"] == 1
    assert api.refused("POST", f"{TURN}?expected_turn=0") == (409, "stale_turn")
    assert api.refused("PUT", "/api/v1/orders/Ada", {"turn": 0, "orders": []}) == (409, "stale_turn")
    assert api.refused("POST", f"{TURN}?expected_turn=-1") == (400, "invalid_request")
    assert api.call("GET", STATUS)["game"]["turn"] == 1


def test_of_many_who_play_one_turn_at_the_same_time_one_does(api: Api, world: Loop) -> None:
    api.init()
    replies = world.together(*(api.ask("POST", f"{TURN}?expected_turn=0") for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 7


def test_a_report_hides_what_is_not_its_races(api: Api) -> None:
    api.init()
    bobs = home(api, "Bob")["id"]
    api.order({"kind": "build", "system": bobs, "ships": 1}, race="Bob")
    for turn in range(2):
        report = api.report()
        assert {"id", "x", "y", "owner"} == set().union(*report["others"])
        assert bobs not in json.dumps([report[name] for name in ("orders", "events", "fleets", "systems")])
        if not turn:
            api.turn()


def test_the_same_seed_gives_the_same_game(world: Loop, tmp_path: Path) -> None:
    one, same, other = (
        serve(world, tmp_path / name, seed).api for name, seed in (("a", 7), ("b", 7), ("c", None))
    )
    for api in (one, same, other):
        api.init()
        api.turn()
    assert one.report() == same.report() != other.report()


def test_a_full_disk_is_told_and_nothing_has_changed(world: Loop, tmp_path: Path) -> None:
    served = serve(world, tmp_path)
    served.api.init()
    before = served.api.report()
    with nearly_full(100):
        assert served.api.refused("POST", TURN) == (507, "state_unwritable")
        assert served.api.report() == before
    assert served.api.turn()["turn"] == 1


def test_a_damaged_state_is_told_and_heals_when_it_is_restored(world: Loop, tmp_path: Path) -> None:
    serve(world, tmp_path).api.init()
    good = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(good[:-9])
    served = serve(world, tmp_path)
    for method, path, document in (
        ("GET", STATUS, None),
        ("POST", TURN, None),
        ("POST", INIT, {"races": ["Ada", "Bob"]}),
    ):
        assert served.api.refused(method, path, document) == (503, "state_corrupt")
    readiness = world.run(served.health.readiness())
    assert readiness.status == "unavailable"
    assert (tmp_path / FILE).read_bytes() == good[:-9]
    (tmp_path / FILE).write_bytes(good)
    assert served.api.turn()["turn"] == 1
    assert world.run(served.health.readiness()).status == "ready"


def test_a_finished_game_takes_no_more(world: Loop, tmp_path: Path) -> None:
    served = serve(world, tmp_path)
    served.api.init()
    game = served.store.read()
    assert game is not None
    served.store.write(replace(game, finished=True, winner="Ada"))
    api = serve(world, tmp_path).api
    assert api.refused("POST", TURN) == (409, "game_finished")
    assert api.refused("PUT", "/api/v1/orders/Ada", {"turn": 0, "orders": []}) == (409, "game_finished")
    assert api.report()["status"] == "finished"
