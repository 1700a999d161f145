"""The record of each game's engine, in Postgres."""

import time
from dataclasses import dataclass
from typing import Final, Literal

from servicekit.postgres import Connection, Database
from servicekit.postgres import Record as Row

from rtmanager.containers import Container

Status = Literal["running", "stopped", "removed"]
Source = Database | Connection

#: What a record may become. There is no way out of removed: a new start, or an adopted container, begins a new record.
TRANSITIONS: Final[frozenset[tuple[Status, Status]]] = frozenset(
    {("running", "stopped"), ("running", "removed"), ("stopped", "running"), ("stopped", "removed")}
)


class IllegalTransition(Exception):
    """A defect: a record was to become what it cannot."""


@dataclass(frozen=True, slots=True)
class Record:
    """A row of the table runtimes; see the migration."""

    game_id: str
    status: Status
    image_ref: str
    container_id: str
    engine_endpoint: str
    run: str
    probe: Literal["ok", "failed"]
    unhealthy: bool
    oom: bool
    job_requested_at_ms: int | None
    created_at_ms: int
    started_at_ms: int
    updated_at_ms: int
    stopped_at_ms: int | None
    removed_at_ms: int | None
    version: int


_NAMES: Final = tuple(Record.__dataclass_fields__)
_COLUMNS: Final = ", ".join(_NAMES)


def now_ms() -> int:
    """Give the time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def _record(row: Row) -> Record:
    return Record(**{name: row[name] for name in _NAMES})


async def get(source: Source, game_id: str) -> Record | None:
    """Give the record of a game; None if there never was one."""
    row = await source.fetchrow(f"SELECT {_COLUMNS} FROM runtimes WHERE game_id = $1", game_id)  # noqa: S608 - own names
    return None if row is None else _record(row)


async def page(source: Source, status: Status | None, after: str, size: int) -> list[Record]:
    """Give records ordered by game_id (by its bytes), from behind ``after`` on."""
    rows = await source.fetch(
        f'SELECT {_COLUMNS} FROM runtimes WHERE ($1::text IS NULL OR status = $1) AND game_id COLLATE "C" > $2 '  # noqa: S608
        'ORDER BY game_id COLLATE "C" LIMIT $3',
        status, after, size,
    )  # fmt: skip
    return [_record(row) for row in rows]


async def running(source: Source) -> list[Record]:
    """Give every record that is running."""
    rows = await source.fetch(f"SELECT {_COLUMNS} FROM runtimes WHERE status = 'running'")  # noqa: S608
    return [_record(row) for row in rows]


async def with_container(source: Source) -> list[str]:
    """Give the games whose record names a container that should be there."""
    rows = await source.fetch("SELECT game_id FROM runtimes WHERE status <> 'removed'")
    return [row["game_id"] for row in rows]


async def stopped_before(source: Source, time_ms: int) -> list[str]:
    """Give the games that were stopped before that time."""
    rows = await source.fetch(
        "SELECT game_id FROM runtimes WHERE status = 'stopped' AND stopped_at_ms < $1", time_ms
    )
    return [row["game_id"] for row in rows]


async def lock(connection: Connection, game_id: str) -> None:
    """Keep everybody else from changing what concerns this game, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", game_id)


def _check(record: Record, status: Status) -> None:
    if (record.status, status) not in TRANSITIONS:
        raise IllegalTransition(f"{record.game_id} is {record.status} and cannot become {status}")


async def set_running(
    connection: Connection,
    record: Record | None,
    container: Container,
    *,
    game_id: str,
    job_requested_at_ms: int | None,
) -> Record:
    """Write that a container runs: into the stopped record, or as a new one."""
    now = now_ms()
    values = (
        game_id, container.image_ref, container.id, container.endpoint, container.run, job_requested_at_ms, now,
        container.started_at_ms,
    )  # fmt: skip
    if record is None or record.status == "removed":
        await connection.execute(
            """
            INSERT INTO runtimes (game_id, status, image_ref, container_id, engine_endpoint, run, job_requested_at_ms,
                created_at_ms, updated_at_ms, started_at_ms)
            VALUES ($1, 'running', $2, $3, $4, $5, $6, $7, $7, $8)
            ON CONFLICT (game_id) DO UPDATE SET status = 'running', image_ref = $2, container_id = $3,
                engine_endpoint = $4, run = $5, job_requested_at_ms = $6, created_at_ms = $7, updated_at_ms = $7,
                started_at_ms = $8, stopped_at_ms = NULL, removed_at_ms = NULL, probe = 'ok', unhealthy = false, oom = false,
                version = runtimes.version + 1
            """,
            *values,
        )
    else:
        _check(record, "running")
        await connection.execute(
            """
            UPDATE runtimes SET status = 'running', image_ref = $2, container_id = $3, engine_endpoint = $4, run = $5,
                job_requested_at_ms = $6, updated_at_ms = $7, started_at_ms = $8, stopped_at_ms = NULL, probe = 'ok',
                unhealthy = false, oom = false, version = version + 1
            WHERE game_id = $1
            """,
            *values,
        )
    return await _again(connection, game_id)


async def set_adopted_stopped(connection: Connection, container: Container, game_id: str) -> Record:
    """Write a new record of a container that no record knows and that does not run."""
    now = now_ms()
    ran = container.status != "created"
    await connection.execute(
        """
        INSERT INTO runtimes (game_id, status, image_ref, container_id, engine_endpoint, run, created_at_ms, updated_at_ms,
            started_at_ms, stopped_at_ms)
        VALUES ($1, 'stopped', $2, $3, $4, $5, $6, $6, $7, $8)
        ON CONFLICT (game_id) DO UPDATE SET status = 'stopped', image_ref = $2, container_id = $3, engine_endpoint = $4,
            run = $5, job_requested_at_ms = NULL, created_at_ms = $6, updated_at_ms = $6, started_at_ms = $7,
            stopped_at_ms = $8, removed_at_ms = NULL, probe = 'ok', unhealthy = false, oom = false,
            version = runtimes.version + 1
        """,
        game_id, container.image_ref, container.id, container.endpoint, container.run, now,
        container.started_at_ms if ran else now, container.ended_at_ms if ran else now,
    )  # fmt: skip
    return await _again(connection, game_id)


async def set_stopped(connection: Connection, record: Record, stopped_at_ms: int) -> Record:
    """Write that the container has ended."""
    _check(record, "stopped")
    await connection.execute(
        "UPDATE runtimes SET status = 'stopped', stopped_at_ms = $2, updated_at_ms = $3, version = version + 1 "
        "WHERE game_id = $1",
        record.game_id, stopped_at_ms, now_ms(),
    )  # fmt: skip
    return await _again(connection, record.game_id)


async def set_removed(connection: Connection, record: Record) -> Record:
    """Write that there is no container any more."""
    _check(record, "removed")
    await connection.execute(
        "UPDATE runtimes SET status = 'removed', removed_at_ms = $2, updated_at_ms = $2, version = version + 1 "
        "WHERE game_id = $1",
        record.game_id, now_ms(),
    )  # fmt: skip
    return await _again(connection, record.game_id)


async def note(connection: Connection, record: Record, **changes: bool | str) -> Record:
    """Write what was told of the present run: ``oom``, ``unhealthy`` or ``probe``."""
    for column, value in changes.items():
        if column not in {"oom", "unhealthy", "probe"}:
            raise ValueError(f"{column} is not noted")
        await connection.execute(
            f"UPDATE runtimes SET {column} = $2, updated_at_ms = $3, version = version + 1 WHERE game_id = $1",  # noqa: S608
            record.game_id, value, now_ms(),
        )  # fmt: skip
    return await _again(connection, record.game_id)


async def _again(connection: Connection, game_id: str) -> Record:
    record = await get(connection, game_id)
    if record is None:
        raise IllegalTransition(f"{game_id} has no record")
    return record
