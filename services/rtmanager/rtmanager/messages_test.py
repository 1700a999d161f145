import json
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest

from rtmanager.conftest import ENDED, LATER_RUN, World, container
from rtmanager.containers import Container
from rtmanager.decisions_test import RECORD
from rtmanager.journal import Operation
from rtmanager.judgement import Event, disappeared, ended, judge, started
from rtmanager.openapi_test import STREAMS

OPERATION = Operation(
    position=1, operation_id="op_1", game_id="g1", kind="start", op_source="lobby_stream", status="success",
    image_ref="engine:1.4.0", reason="", requested_at_ms=1000, queued_at_ms=1, started_at_ms=2, finished_at_ms=3, token=1,
    retired=False, container_id="c" * 64, error_code="", error_message="",
)  # fmt: skip
FAILED = replace(
    OPERATION,
    status="failure",
    container_id="",
    error_code="image_pull_failed",
    error_message="not to be had",
)
CONTAINER = container()


def check(name: str, value: object) -> None:
    """Hold a value against the published schema."""
    schema = {"$ref": f"#/$defs/{name}", "$defs": STREAMS["$defs"]}
    jsonschema_rs.validate(schema, value)


def tell(world: World, event: Event) -> None:
    async def work() -> None:
        async with world.database.transaction() as connection:
            await world.messages.health_event(
                connection, event.event_type, game_id="g1", container_id=event.container_id,
                occurred_at_ms=event.occurred_at_ms or 1, details=event.details, run=event.run,
            )  # fmt: skip

    world.run(work())


def results(world: World, operation: Operation, **changes: str) -> list[dict[str, str]]:
    async def work() -> None:
        async with world.database.transaction() as connection:
            await world.messages.job_result(connection, operation, **changes)
            await world.messages.intent(connection, operation)

    world.run(work())
    return world.outbox("runtime:job_results")


def test_results_are_as_published(world: World) -> None:
    endpoint = "http://game-g1:8080"
    (found,) = results(world, OPERATION, container_id="c" * 64, engine_endpoint=endpoint)
    check("job_result", found)
    assert (found["requested_at_ms"], found["engine_endpoint"]) == ("1000", endpoint)
    check("job_result", results(world, replace(FAILED, operation_id="op_2"))[1])
    check(
        "job_result",
        results(world, replace(OPERATION, operation_id="op_3", kind="stop", error_code="replay_no_op"))[2],
    )


def test_a_job_has_one_result_whatever_happens(world: World) -> None:
    results(world, FAILED)
    assert len(results(world, FAILED)) == 1
    assert len(world.outbox("notification:intents")) == 1


def test_who_waits_for_an_answer_gets_no_result(world: World) -> None:
    assert results(world, replace(FAILED, op_source="gm")) == []
    assert len(world.outbox("notification:intents")) == 1


@pytest.mark.parametrize("code", ["image_pull_failed", "container_start_failed", "start_config_invalid"])
def test_intents_are_as_published(world: World, code: str) -> None:
    results(world, replace(FAILED, error_code=code))
    (intent,) = world.outbox("notification:intents")
    check("intent", intent)
    payload: dict[str, Any] = json.loads(intent["payload"])
    check("intent_payload", payload)
    assert (intent["notification_type"], payload["error_code"]) == (f"runtime.{code}", code)


@pytest.mark.parametrize("code", ["conflict", "docker_unavailable", "internal_error"])
def test_what_the_administrators_cannot_mend_is_no_intent(world: World, code: str) -> None:
    results(world, replace(FAILED, error_code=code))
    assert world.outbox("notification:intents") == []


def _told(found: Container) -> list[Event]:
    known = replace(RECORD, container_id="c" * 64, run=CONTAINER.run)
    return [event for change in judge(known, [found], 1) for event in change.events]


EVENTS = [
    started(CONTAINER, adopted=False),
    ended(container(status="exited", ended=ENDED), ordered=True),
    disappeared(replace(RECORD, container_id="c" * 64), 1),
    *_told(container(status="exited", ended=ENDED, oom_killed=True, exit_code=137)),
    *_told(container(oom_killed=True, health="unhealthy", failing_streak=3)),
    *_told(container(run=LATER_RUN)),
    Event("probe_failed", "c" * 64, "", 1, {"failures": 3, "reason": "the answer was 500"}),
    Event("probe_recovered", "c" * 64, "", 1, {"successes": 2}),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_health_events_are_as_published(world: World, event: Event) -> None:
    tell(world, event)
    (found,) = world.outbox("runtime:health_events")
    check("health_event", found)
    check("details", json.loads(found["details"]))


def test_what_happens_once_in_a_run_is_told_once(world: World) -> None:
    for _ in range(2):
        tell(world, EVENTS[0])
    tell(world, started(container(run=LATER_RUN), adopted=True))
    assert world.events() == ["container_started", "container_started"]
    for _ in range(2):
        tell(world, EVENTS[-1])
    assert world.events()[2:] == ["probe_recovered", "probe_recovered"]
