from itertools import product
from typing import get_args

import pytest

from rtmanager import records
from rtmanager.conftest import ENDED, LATER_RUN, World, container
from rtmanager.containers import Container
from rtmanager.records import TRANSITIONS, IllegalTransition, Record, Status


def run(world: World, record: Record | None, found: Container, *, game_id: str = "g1") -> Record:
    async def work() -> Record:
        async with world.database.transaction() as connection:
            return await records.set_running(
                connection, record, found, game_id=game_id, job_requested_at_ms=7
            )

    return world.run(work())


def become(world: World, record: Record, status: Status) -> Record:
    async def work() -> Record:
        async with world.database.transaction() as connection:
            if status == "running":
                return await records.set_running(
                    connection,
                    record,
                    container(run=LATER_RUN),
                    game_id=record.game_id,
                    job_requested_at_ms=None,
                )
            if status == "stopped":
                return await records.set_stopped(connection, record, 5)
            return await records.set_removed(connection, record)

    return world.run(work())


def test_exactly_four_transitions_are_legal(world: World) -> None:
    assert len(TRANSITIONS) == 4
    for number, (before, after) in enumerate(product(get_args(Status), repeat=2)):
        record = run(world, None, container(), game_id=f"g{number}")
        if before != "running":
            record = become(world, record, before)
        if (before, after) in TRANSITIONS:
            assert become(world, record, after).status == after
        elif (before, after) != ("removed", "running"):  # a new record in its place
            with pytest.raises(IllegalTransition):
                become(world, record, after)
            assert world.run(records.get(world.database, f"g{number}")) == record


def test_a_start_after_the_removal_is_a_new_record(world: World) -> None:
    first = run(world, None, container())
    gone = become(world, become(world, first, "stopped"), "removed")
    again = run(world, gone, container(id="d" * 64))
    assert (again.status, again.container_id, again.version) == ("running", "d" * 64, gone.version + 1)
    assert (again.stopped_at_ms, again.removed_at_ms) == (None, None)
    assert again.created_at_ms >= first.created_at_ms


def test_a_new_run_forgets_what_was_noted_of_the_one_before(world: World) -> None:
    record = run(world, None, container())

    async def note() -> Record:
        async with world.database.transaction() as connection:
            return await records.note(connection, record, probe="failed", oom=True, unhealthy=True)

    noted = world.run(note())
    assert (noted.probe, noted.oom, noted.unhealthy) == ("failed", True, True)
    again = become(world, become(world, noted, "stopped"), "running")
    assert (again.probe, again.oom, again.unhealthy, again.stopped_at_ms) == ("ok", False, False, None)
    assert again.version > noted.version


def test_one_that_is_found_ended_is_recorded_as_stopped(world: World) -> None:
    async def work(found: Container, game_id: str) -> Record:
        async with world.database.transaction() as connection:
            return await records.set_adopted_stopped(connection, found, game_id)

    ended = world.run(work(container(status="exited", ended=ENDED), "g1"))
    assert (ended.status, ended.stopped_at_ms) == ("stopped", 1795266000250)
    made = world.run(work(container(status="created", run="0001-01-01T00:00:00Z"), "g2"))
    assert made.stopped_at_ms == made.started_at_ms == made.created_at_ms


def test_pages_are_ordered_by_the_ids_bytes_and_filtered(world: World) -> None:
    for game_id in ("b", "B", "a", "_"):
        run(world, None, container(), game_id=game_id)
    record = world.run(records.get(world.database, "a"))
    assert record is not None
    become(world, record, "stopped")

    def page(status: Status | None, after: str, size: int) -> list[str]:
        return [each.game_id for each in world.run(records.page(world.database, status, after, size))]

    assert page(None, "", 10) == ["B", "_", "a", "b"]
    assert page(None, "B", 2) == ["_", "a"]
    assert page("running", "", 10) == ["B", "_", "b"]
    assert page("stopped", "", 10) == ["a"]
    assert page("removed", "", 10) == []


def test_what_was_stopped_before(world: World) -> None:
    become(world, run(world, None, container()), "stopped")
    assert world.run(records.stopped_before(world.database, 6)) == ["g1"]
    assert world.run(records.stopped_before(world.database, 5)) == []
