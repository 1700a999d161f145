from typing import Final

import pytest

from lobby.states import STATES, TRANSITIONS, Action, State
from lobby.testing.api import HOUR_MS, OWNER, Api, now_ms
from lobby.testing.world import World

PATHS: Final[dict[Action, str]] = {
    "open_enrollment": "open-enrollment",
    "close_enrollment": "close-enrollment",
    "start": "start",
    "pause": "pause",
    "resume": "resume",
    "finish": "finish",
    "cancel": "cancel",
}
START_JOBS = "runtime:start_jobs"
STOP_JOBS = "runtime:stop_jobs"
INTENTS = "notification:intents"


def game_in(api: Api, world: World, state: State) -> str:
    """A game with the members ada and bob (a draft has none), brought into the state by the ways there are."""
    if state == "draft":
        return api.create()
    if state == "enrollment_open":
        game_id = api.open()
        api.enrol(game_id, "ada", "bob")
        return game_id
    if state in {"ready_to_start", "cancelled"}:
        game_id = api.ready()
    elif state in {"starting", "start_failed"}:
        game_id = api.starting()
    else:
        game_id = api.running()
    match state:
        case "start_failed":
            world.take(world.result(game_id, outcome="failure"))
        case "paused":
            api.done(api.do(game_id, "pause"))
        case "finished":
            api.done(api.do(game_id, "finish"))
        case "cancelled":
            api.done(api.do(game_id, "cancel"))
        case _:
            pass
    assert api.status(game_id) == state
    return game_id


@pytest.mark.parametrize("state", STATES)
def test_every_transition_that_is_legal_and_no_other(api: Api, world: World, state: State) -> None:
    game_id = game_in(api, world, state)
    world.messages()
    before = api.game(game_id)
    for action, path in PATHS.items():
        if (state, action) not in TRANSITIONS:
            answer = api.do(game_id, path)
            assert (answer.status, answer.code) == (409, "conflict"), action
    assert api.game(game_id) == before
    assert world.messages() == []
    for action, path in PATHS.items():
        if (state, action) in TRANSITIONS:
            document = api.done(api.do(game_in(api, world, state), path))
            assert document["status"] == TRANSITIONS[state, action]
            assert document["version"] > before["version"]
            assert api.game(document["game_id"]) == document


def test_opening_needs_an_end_to_come(api: Api, world: World) -> None:
    game_id = api.create()
    world.sql("UPDATE games SET enrollment_ends_at_ms = now_ms() - 1")
    assert api.do(game_id, "open-enrollment").code == "conflict"
    end = now_ms() + HOUR_MS
    api.done(api.call("PATCH", f"/api/v1/games/{game_id}", OWNER, {"enrollment_ends_at_ms": end}))
    assert api.done(api.do(game_id, "open-enrollment"))["status"] == "enrollment_open"


def test_closing_and_starting_need_the_least_number_of_players(api: Api) -> None:
    game_id = api.open(min_players=2)
    api.enrol(game_id, "ada")
    assert api.do(game_id, "close-enrollment").code == "conflict"
    api.enrol(game_id, "bob")
    api.done(api.do(game_id, "close-enrollment"))
    api.done(api.call("DELETE", f"/api/v1/games/{game_id}/members/bob", "bob"))
    assert api.do(game_id, "start").code == "conflict"


def test_closing_turns_away_who_is_still_waiting(api: Api, world: World) -> None:
    game_id = api.open()
    api.enrol(game_id, "ada", "bob")
    waiting = api.done(api.apply(game_id, "cyd", "Cylons"))
    world.messages()
    api.done(api.do(game_id, "close-enrollment"))
    rejected, ready = world.messages()
    assert rejected.fields["notification_type"] == "lobby.application_rejected"
    assert rejected.recipients == ["cyd"]
    assert rejected.payload == {"game_id": game_id, "game_name": "Friday night", "race_name": "Cylons"}
    assert rejected.fields["idempotency_key"] == f"lobby.application_rejected:{waiting['application_id']}"
    assert ready.fields["notification_type"] == "lobby.game_ready"
    assert ready.recipients == [OWNER]
    assert ready.fields["idempotency_key"] == f"lobby.game_ready:{game_id}"


def test_a_start_leaves_with_its_job_and_a_result_makes_it_run(api: Api, world: World) -> None:
    game_id = api.ready()
    world.messages()
    api.done(api.do(game_id, "start"))
    (job,) = world.messages()
    requested = world.value("SELECT start_requested_at_ms FROM games")
    assert (job.stream, job.fields) == (
        START_JOBS,
        {"game_id": game_id, "image_ref": "registry.test/engine:1.2.3", "requested_at_ms": str(requested)},
    )
    world.take(world.result(game_id))
    (started,) = world.messages()
    assert started.fields["idempotency_key"] == f"lobby.game_started:{game_id}:1"
    assert started.recipients == ["ada", "bob", OWNER]
    assert started.payload == {"game_id": game_id, "game_name": "Friday night"}
    document = api.game(game_id)
    assert document["status"] == "running"
    assert document["started_at_ms"] >= requested


def test_a_failed_start_tells_the_owner_and_can_be_tried_again(api: Api, world: World) -> None:
    game_id = api.starting()
    first = world.value("SELECT start_requested_at_ms FROM games")
    world.messages()
    world.take(world.result(game_id, outcome="failure", error_message="no such image"))
    (failed,) = world.messages()
    assert failed.recipients == [OWNER]
    assert failed.payload["error_code"] == "image_pull_failed"
    assert failed.fields["idempotency_key"] == f"lobby.game_start_failed:{game_id}:1"
    assert api.game(game_id)["start_error_code"] == "image_pull_failed"
    assert api.internal(game_id).document["start_error_message"] == "no such image"
    document = api.done(api.do(game_id, "start"))
    assert "start_error_code" not in document
    (job,) = world.messages()
    assert int(job.fields["requested_at_ms"]) > first
    assert api.internal(game_id).document["start_attempt"] == 2


def test_pause_and_resume_are_told_each_time(api: Api, world: World) -> None:
    game_id = api.running()
    world.messages()
    for _ in range(2):
        api.done(api.do(game_id, "pause"))
        api.done(api.do(game_id, "resume"))
    told = world.messages()
    kinds = [message.fields["notification_type"] for message in told]
    assert kinds == ["lobby.game_paused", "lobby.game_resumed"] * 2
    assert len({message.fields["idempotency_key"] for message in told}) == 4
    # The owner did it himself, and is no member.
    assert {tuple(message.recipients) for message in told} == {("ada", "bob")}


def test_finishing_stops_the_engine(api: Api, world: World) -> None:
    game_id = api.running()
    world.messages()
    document = api.done(api.do(game_id, "finish"))
    assert document["ended_at_ms"] >= document["started_at_ms"]
    stop, told = world.messages()
    assert stop.stream == STOP_JOBS
    assert (stop.fields["game_id"], stop.fields["reason"]) == (game_id, "finished")
    assert int(stop.fields["requested_at_ms"]) > world.value("SELECT start_requested_at_ms FROM games")
    assert told.fields["notification_type"] == "lobby.game_finished"
    assert told.fields["idempotency_key"] == f"lobby.game_finished:{game_id}"


@pytest.mark.parametrize("state", ["draft", "enrollment_open", "ready_to_start", "start_failed", "starting"])
def test_cancelling_stops_the_engine_only_of_a_game_that_is_starting(
    api: Api, world: World, state: State
) -> None:
    game_id = game_in(api, world, state)
    world.messages()
    api.done(api.do(game_id, "cancel"))
    streams = [message.stream for message in world.messages()]
    told = [] if state == "draft" else [INTENTS]
    assert streams == ([STOP_JOBS] if state == "starting" else []) + told
    assert world.value("SELECT count(*) FROM races") == 0


def test_a_job_is_always_later_than_the_one_before(api: Api, world: World) -> None:
    game_id = api.ready()
    ahead = now_ms() + HOUR_MS  # as if the clock had been set back since
    world.sql("UPDATE games SET job_requested_at_ms = $1", ahead)
    api.done(api.do(game_id, "start"))
    api.done(api.do(game_id, "cancel"))
    times = [message.fields["requested_at_ms"] for message in world.messages() if message.stream != INTENTS]
    assert times == [str(ahead + 1), str(ahead + 2)]


def test_the_game_master_may_do_it_for_any_game(api: Api, world: World) -> None:
    game_id = api.running(visibility="public")
    world.messages()
    assert api.done(api.internal(game_id, "pause"))["status"] == "paused"
    (told,) = world.messages()
    assert told.recipients == ["ada", "bob", OWNER]
    assert api.done(api.internal(game_id, "resume"))["status"] == "running"
    assert api.internal(game_id, "cancel").code == "conflict"
    assert api.done(api.internal(game_id, "finish"))["status"] == "finished"
    assert api.internal(game_id, "finish").code == "conflict"
    assert api.done(api.internal(api.open(visibility="private"), "cancel"))["status"] == "cancelled"


def test_the_game_master_reads_members_and_runtime(api: Api, world: World) -> None:
    game_id = api.running()
    document = api.done(api.internal(game_id))
    assert document["game"] == api.game(game_id)
    assert [(member["user_id"], member["race_name"]) for member in document["members"]] == [
        ("ada", "Ada"),
        ("bob", "Bob"),
    ]
    assert document["engine_endpoint"] == f"http://game-{game_id}:8080"
    assert document["container_id"] == "c" * 64
    assert document["start_requested_at_ms"] == world.value("SELECT start_requested_at_ms FROM games")
    assert api.internal("g-1").code == "game_not_found"
    assert api.internal("no%20id", "pause").code == "game_not_found"
