from typing import Any

import asyncpg
import pytest

from rtmanager import journal
from rtmanager.conftest import World
from rtmanager.journal import Operation
from rtmanager.leases import LeaseLost


def add(world: World, **changes: Any) -> Operation:
    values: dict[str, Any] = {
        "game_id": "g1", "kind": "start", "op_source": "lobby_stream", "status": "queued", "requested_at_ms": 1000,
        "image_ref": "engine:1.4.0",
    }  # fmt: skip

    async def work() -> Operation:
        async with world.database.transaction() as connection:
            return await journal.add(connection, **(values | changes))

    return world.run(work())


def take(world: World, operation: Operation, token: int) -> Operation:
    async def work() -> Operation:
        async with world.database.transaction() as connection:
            return await journal.take(connection, operation, token)

    return world.run(work())


def finish(world: World, operation: Operation, **changes: Any) -> Operation:
    async def work() -> Operation:
        async with world.database.transaction() as connection:
            return await journal.finish(connection, operation, **({"outcome": "success"} | changes))

    return world.run(work())


def test_the_running_one_comes_first_then_the_oldest(world: World) -> None:
    first, second = add(world), add(world, kind="stop")
    assert world.run(journal.next_of(world.database, "g1")) == first
    running = take(world, second, 1)
    assert (running.status, running.token) == ("running", 1)
    assert world.run(journal.next_of(world.database, "g1")) == running
    finish(world, running)
    assert world.run(journal.next_of(world.database, "g1")) == first
    assert world.run(journal.next_of(world.database, "g2")) is None


def test_the_longest_waiting_games_come_first(world: World) -> None:
    for game_id in ("b", "a", "b", "c"):
        add(world, game_id=game_id)
    assert world.run(journal.unfinished_games(world.database)) == ["b", "a", "c"]


def test_an_older_lease_can_neither_take_nor_write(world: World) -> None:
    mine = take(world, add(world), 5)
    theirs = take(world, mine, 6)
    with pytest.raises(LeaseLost):
        take(world, mine, 5)
    with pytest.raises(LeaseLost):
        finish(world, mine)
    done = finish(world, theirs, container_id="c1")
    assert (done.status, done.container_id) == ("success", "c1")


def test_what_is_finished_is_finished_once(world: World) -> None:
    mine = take(world, add(world), 1)
    finish(world, mine)
    with pytest.raises(LeaseLost):
        finish(world, mine, outcome="failure")
    with pytest.raises(LeaseLost):
        take(world, mine, 2)


def test_one_operation_runs_on_a_game(world: World) -> None:
    add(world, status="running")
    with pytest.raises(asyncpg.UniqueViolationError):
        add(world, status="running")
    add(world, status="running", game_id="g2")


def test_the_time_of_the_last_stop_is_of_jobs_that_succeeded(world: World) -> None:
    assert world.run(journal.last_stop_requested_at_ms(world.database, "g1")) == 0
    for token, (source, requested, outcome) in enumerate(
        [("lobby_stream", 2000, "success"), ("lobby_stream", 3000, "failure"), ("admin", 4000, "success")], 1
    ):
        stop = add(world, kind="stop", op_source=source, requested_at_ms=requested)
        finish(world, take(world, stop, token), outcome=outcome)
    assert world.run(journal.last_stop_requested_at_ms(world.database, "g1")) == 2000


def test_pages_are_newest_first(world: World) -> None:
    added = [add(world) for _ in range(5)]
    first = world.run(journal.page(world.database, "g1", None, 2))
    second = world.run(journal.page(world.database, "g1", first[-1].position, 10))
    assert [*first, *second] == list(reversed(added))
