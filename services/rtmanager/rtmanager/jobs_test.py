import asyncio

import pytest
from servicekit.streams import Entry, Reject

from rtmanager import journal
from rtmanager.conftest import World
from rtmanager.jobs import START_JOBS, STOP_JOBS, Intake, read

START = {"game_id": b"g1", "image_ref": b"engine:1.4.0", "requested_at_ms": b"1795262400123"}
STOP = {"game_id": b"g1", "reason": b"cancelled", "requested_at_ms": b"1795262400124"}


def test_jobs_are_read() -> None:
    assert read("start", Entry("1-0", START))["image_ref"] == "engine:1.4.0"
    assert read("stop", Entry("1-0", STOP))["reason"] == "cancelled"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("game_id", None, "game_id: is missing"),
        ("game_id", b"../etc", "game_id: is not a game's id"),
        ("game_id", b".", "game_id: is not a game's id"),
        ("game_id", b"g1\n", "game_id: is not a game's id"),
        ("game_id", b"g" * 59, "game_id: is not a game's id"),
        ("game_id", b"\xff", "game_id: is not a game's id"),
        ("image_ref", b"", "image_ref: is not 1 to 255"),
        ("image_ref", b"an image", "image_ref: is not 1 to 255"),
        ("requested_at_ms", b"0", "requested_at_ms: is not Unix milliseconds"),
        ("requested_at_ms", b"-1", "requested_at_ms: is not Unix milliseconds"),
        ("requested_at_ms", b"soon", "requested_at_ms: is not Unix milliseconds"),
        ("reason", b"cancelled", "reason: is unknown"),
    ],
)
def test_a_malformed_job_is_rejected_by_its_field(name: str, value: bytes | None, reason: str) -> None:
    fields = START | ({} if value is None else {name: value})
    if value is None:
        del fields[name]
    with pytest.raises(Reject, match=f"^{reason}"):
        read("start", Entry("1-0", fields))


def test_an_entry_that_comes_twice_is_one_job(world: World) -> None:
    taken: list[str] = []
    intake = Intake(world.database, "start", START_JOBS, taken.append)

    async def both() -> None:
        await asyncio.gather(*(intake(Entry("1-0", START)) for _ in range(2)))
        await intake(Entry("1-0", START))

    world.run(both())
    assert taken == ["g1"]
    assert len(world.run(journal.page(world.database, "g1", None, 10))) == 1


def test_entries_of_the_two_streams_are_told_apart(world: World) -> None:
    taken: list[str] = []
    world.run(Intake(world.database, "start", START_JOBS, taken.append)(Entry("1-0", START)))
    world.run(Intake(world.database, "stop", STOP_JOBS, taken.append)(Entry("1-0", STOP)))
    kinds = [each.kind for each in world.run(journal.page(world.database, "g1", None, 10))]
    assert (taken, kinds) == (["g1", "g1"], ["stop", "start"])
    operation = world.run(journal.next_of(world.database, "g1"))
    assert operation is not None
    assert (operation.kind, operation.op_source, operation.requested_at_ms) == (
        "start",
        "lobby_stream",
        1795262400123,
    )
