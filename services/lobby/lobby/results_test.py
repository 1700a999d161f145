from typing import Any

import pytest
from servicekit.streams import Reject

from lobby.lifecycle_test import STOP_JOBS, game_in
from lobby.results import Results
from lobby.states import STATES, State
from lobby.testing.api import Api
from lobby.testing.world import World


def requested(world: World) -> int:
    found: int = world.value("SELECT start_requested_at_ms FROM games")
    return found


def test_an_entry_that_comes_twice_is_taken_once(api: Api, world: World) -> None:
    game_id = api.starting()
    entry = world.result(game_id)
    world.take(entry)
    world.messages()
    api.done(api.do(game_id, "pause"))
    before = api.game(game_id)
    world.messages()
    world.take(entry)
    assert api.game(game_id) == before
    assert world.messages() == []


def test_the_same_result_in_another_entry_changes_nothing(api: Api, world: World) -> None:
    game_id = api.starting()
    world.take(world.result(game_id))
    before = api.game(game_id)
    world.messages()
    world.take(world.result(game_id, error_code="replay_no_op"))
    world.take(world.result(game_id, outcome="failure"))
    assert api.game(game_id) == before
    assert world.messages() == []


def test_a_result_of_an_earlier_start_changes_nothing(api: Api, world: World) -> None:
    game_id = api.starting()
    first = requested(world)
    world.take(world.result(game_id, outcome="failure"))
    api.done(api.do(game_id, "start"))
    before = api.game(game_id)
    world.messages()
    for outcome in ("success", "failure"):
        world.take(world.result(game_id, first, outcome=outcome))
        world.take(world.result(game_id, requested(world) + 1, outcome=outcome))
    assert api.game(game_id) == before
    assert world.messages() == []
    world.take(world.result(game_id))
    assert api.status(game_id) == "running"


@pytest.mark.parametrize(
    ("state", "reason"),
    [("cancelled", "cancelled"), ("start_failed", "start_timeout"), ("finished", "finished")],
)
def test_a_start_that_succeeds_too_late_is_stopped_again(
    api: Api, world: World, state: State, reason: str
) -> None:
    game_id = api.starting()
    started = requested(world)
    match state:
        case "cancelled":
            api.done(api.do(game_id, "cancel"))
        case "start_failed":
            world.sql("UPDATE games SET start_requested_at_ms = start_requested_at_ms - 60000")
            world.tick()
        case _:
            world.take(world.result(game_id))
            api.done(api.do(game_id, "finish"))
    stopped = [message for message in world.messages() if message.stream == STOP_JOBS]
    world.take(world.result(game_id, started))
    assert api.status(game_id) == state
    (again,) = world.messages()
    assert (again.stream, again.fields["reason"]) == (STOP_JOBS, reason)
    assert [message.fields["reason"] for message in stopped] == [reason]
    assert int(again.fields["requested_at_ms"]) > int(stopped[0].fields["requested_at_ms"]) > started
    world.take(world.result(game_id, started, outcome="failure"))
    assert world.messages() == []


@pytest.mark.parametrize("state", STATES)
def test_a_result_that_nobody_asked_for_never_moves_a_game(api: Api, world: World, state: State) -> None:
    game_id = game_in(api, world, state)
    for entry in (
        world.result(game_id, 1),
        world.result(game_id, 1, outcome="failure"),
        world.result(game_id, 1, operation="stop"),
        world.result(game_id, 1, operation="stop", outcome="failure"),
    ):
        world.take(entry)
        assert api.status(game_id) == state


def test_a_stop_clears_the_runtime(api: Api, world: World, caplog: pytest.LogCaptureFixture) -> None:
    game_id = api.running()
    world.take(world.result(game_id, operation="stop"))
    assert "engine_endpoint" in api.internal(game_id).document
    api.done(api.do(game_id, "finish"))
    world.take(world.result(game_id, operation="stop", outcome="failure", error_code="docker_unavailable"))
    assert "engine_endpoint" in api.internal(game_id).document
    assert [record.levelname for record in caplog.records if record.msg == "runtime_stop_failed"] == [
        "WARNING"
    ]
    world.take(world.result(game_id, operation="stop"))
    assert not {"engine_endpoint", "container_id"} & set(api.internal(game_id).document)


NO_RESULTS: list[tuple[dict[str, Any], str]] = [
    ({"operation": "restart"}, "operation"),
    ({"outcome": ""}, "outcome"),
    ({"game_id": "g-1"}, "game_id: there is no such game"),
    ({"game_id": "a/b"}, "game_id"),
    ({"requested_at_ms": "0"}, "requested_at_ms"),
    ({"requested_at_ms": "1e3"}, "requested_at_ms"),
    ({"outcome": "failure", "error_code": ""}, "error_code"),
    ({"error_code": "No!"}, "error_code"),
    ({"error_message": "x" * 5000}, "error_message"),
    ({"error_message": b"\xff"}, "error_message: is not UTF-8 text"),
    ({"engine_endpoint": "a\x00"}, "engine_endpoint: contains a zero character"),
    ({"surprise": "x"}, "surprise"),
]


def test_what_can_never_be_used_is_set_aside_with_the_reason(api: Api, world: World) -> None:
    game_id = api.starting()
    world.messages()
    for changes, reason in NO_RESULTS:
        entry = world.result(game_id, **changes)
        with pytest.raises(Reject, match=reason):
            world.run(Results(world.database).handle(entry))
    assert world.messages() == []
    assert world.value("SELECT count(*) FROM inbox") == 0
    assert api.status(game_id) == "starting"


def test_a_missing_field_is_set_aside(api: Api, world: World) -> None:
    entry = world.result(api.starting())
    del entry.fields["engine_endpoint"]
    with pytest.raises(Reject, match="engine_endpoint"):
        world.run(Results(world.database).handle(entry))
