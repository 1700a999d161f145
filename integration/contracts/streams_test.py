"""An entry is held to everybody who publishes a schema for its stream, documents in its fields included."""

import json
import time
from typing import Final

import pytest

from contracts.errors import ContractError, ContractFileError
from contracts.notification.intents import intent
from contracts.platform import platform as platforms
from contracts.streams import outcomes, schema
from contracts.streams.stream_log import StreamLog
from seatrial import Environment
from seatrial.teardown import TeardownErrors

NOW: Final = str(time.time_ns() // 1_000_000)
GAME: Final = "g-" + "0" * 32
HEALTH: Final = {
    "game_id": GAME,
    "container_id": "a" * 64,
    "event_type": "container_started",
    "occurred_at_ms": NOW,
    "details": json.dumps({"image_ref": "engine:1.4.0", "adopted": False}),
}


def test_an_entry_that_all_allow_passes() -> None:
    schema.check(schema.HEALTH_EVENTS, HEALTH)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"details": "{"}, "details holds no JSON"),
        ({"details": '{"a":1,"a":2}'}, "a member is there twice"),
        ({"details": "[]"}, "in details"),
        ({"details": '{"unknown":1}'}, "in details"),
        ({"event_type": "exploded"}, "exploded"),
        ({"more": "x"}, "more"),
    ],
)
def test_an_entry_that_one_of_them_forbids_is_red(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(ContractError, match=reason):
        schema.check(schema.HEALTH_EVENTS, HEALTH | changes)


def test_the_reader_s_schema_holds_the_writer_s_entries_too() -> None:
    contracts = [
        *schema.publishers()[schema.START_JOBS].readers,
        *schema.publishers()[schema.START_JOBS].writers,
    ]
    assert len(contracts) == 2
    job = {"game_id": "no-id-of-lobby", "image_ref": "engine:1.4.0", "requested_at_ms": NOW}
    refused = []
    for contract in contracts:
        try:
            contract.check(schema.START_JOBS, job)
        except ContractError as error:
            refused.append(error)
    assert len(refused) == 1
    with pytest.raises(ContractError):
        schema.check(schema.START_JOBS, job)


def test_of_several_writers_one_must_own_up_to_an_entry() -> None:
    assert len(schema.publishers()[schema.INTENTS].writers) == 2
    schema.check(schema.INTENTS, intent("lobby.game_started", ["user-1"]))
    with pytest.raises(ContractError, match="; or: "):
        schema.check(schema.INTENTS, intent("lobby.game_started", ["user-1"], producer="gateway"))


def test_a_stream_that_nobody_publishes_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(ContractFileError, match="runtime:start_jobs"):
        schema.check("runtime:jobs", {})


@pytest.mark.parametrize("key", sorted(schema.publishers()))
def test_every_published_stream_has_outcomes_to_count(key: str) -> None:
    assert outcomes.known(key)


@pytest.fixture
def log(environment: Environment) -> StreamLog:
    return StreamLog(environment.valkey.client())


def test_an_entry_that_no_test_looks_at_is_held_to_its_schema_all_the_same(log: StreamLog) -> None:
    log.publish(schema.HEALTH_EVENTS, HEALTH)
    log.audit()
    log.redis.xadd(schema.HEALTH_EVENTS, HEALTH | {"event_type": "exploded"})
    for _ in range(2):
        with pytest.raises(ContractError, match="exploded"):
            log.audit()


def test_the_end_of_a_test_is_red_for_such_an_entry() -> None:
    with pytest.raises(TeardownErrors) as red, Environment.open() as environment:
        streams = platforms.boot(environment, parts=()).streams
        streams.redis.xadd(schema.HEALTH_EVENTS, HEALTH | {"event_type": "exploded"})
    assert "exploded" in str(red.value.exceptions[0])


def test_what_a_test_wrote_to_break_a_schema_is_not_held_to_it(log: StreamLog) -> None:
    log.publish_unchecked(schema.HEALTH_EVENTS, {"event_type": "exploded"})
    log.redis.set(schema.START_JOBS, "in the way")
    log.audit()


def test_a_redis_that_was_taken_away_has_nothing_to_be_held(environment: Environment) -> None:
    store = environment.own_valkey()
    log = StreamLog(store.client())
    log.redis.xadd(schema.HEALTH_EVENTS, {"event_type": "exploded"})
    with pytest.raises(ContractError):
        log.audit()
    store.kill()
    log.audit()
