"""The operation log in Postgres, which is also the queue of what is to be done."""

import uuid
from dataclasses import dataclass
from typing import Final, Literal

from servicekit.postgres import Connection
from servicekit.postgres import Record as Row

from rtmanager.leases import LeaseLost
from rtmanager.records import Source, now_ms

Kind = Literal["start", "stop", "restart", "patch", "cleanup"]
OpSource = Literal["gm", "admin", "lobby_stream", "retention"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of the table operations; see the migration."""

    position: int
    operation_id: str
    game_id: str
    kind: Kind
    op_source: OpSource
    status: Literal["queued", "running", "success", "failure"]
    image_ref: str
    reason: str
    requested_at_ms: int
    queued_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None
    token: int
    retired: bool
    container_id: str
    error_code: str
    error_message: str

    @property
    def is_job(self) -> bool:
        """Whether it came by a stream, so that it has a result."""
        return self.op_source == "lobby_stream"


_NAMES: Final = tuple(Operation.__dataclass_fields__)
_COLUMNS: Final = ", ".join(_NAMES)


def _operation(row: Row) -> Operation:
    return Operation(**{name: row[name] for name in _NAMES})


def new_id() -> str:
    """Give the id of a new operation."""
    return f"op_{uuid.uuid4().hex}"


async def add(
    connection: Connection,
    *,
    game_id: str,
    kind: Kind,
    op_source: OpSource,
    status: Literal["queued", "running"],
    requested_at_ms: int,
    image_ref: str = "",
    reason: str = "",
    token: int = 0,
) -> Operation:
    """Write a new operation: ``queued`` for whoever comes, or ``running`` under the lease with that token."""
    now = now_ms()
    row = await connection.fetchrow(
        f"""
        INSERT INTO operations (operation_id, game_id, kind, op_source, status, image_ref, reason, requested_at_ms,
            queued_at_ms, started_at_ms, token)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING {_COLUMNS}
        """,  # noqa: S608 - own names
        new_id(), game_id, kind, op_source, status, image_ref, reason, requested_at_ms, now,
        now if status == "running" else None, token,
    )  # fmt: skip
    return _operation(_present(row))


async def next_of(source: Source, game_id: str) -> Operation | None:
    """Give the operation of a game that is to be done, or gone on with: the running one, else the oldest queued one."""
    row = await source.fetchrow(
        f"SELECT {_COLUMNS} FROM operations WHERE game_id = $1 AND status IN ('queued', 'running') "  # noqa: S608
        "ORDER BY status DESC, position LIMIT 1",
        game_id,
    )
    return None if row is None else _operation(row)


async def unfinished_games(source: Source) -> list[str]:
    """Give the games with something to do, the longest waiting first."""
    rows = await source.fetch(
        "SELECT game_id FROM operations WHERE status IN ('queued', 'running') GROUP BY game_id ORDER BY min(position)"
    )
    return [row["game_id"] for row in rows]


async def has_running(source: Source, game_id: str) -> bool:
    """Say whether an operation has begun on a game and not ended."""
    found = await source.fetchval(
        "SELECT 1 FROM operations WHERE game_id = $1 AND status = 'running'", game_id
    )
    return found is not None


async def get(source: Source, operation_id: str) -> Operation | None:
    """Give an operation; None if there is none of that id."""
    row = await source.fetchrow(f"SELECT {_COLUMNS} FROM operations WHERE operation_id = $1", operation_id)  # noqa: S608
    return None if row is None else _operation(row)


async def take(connection: Connection, operation: Operation, token: int) -> Operation:
    """Put an unfinished operation under the lease with that token, which must be newer.

    Raises LeaseLost if it is finished, or under a newer lease.
    """
    row = await connection.fetchrow(
        f"""
        UPDATE operations SET status = 'running', token = $2, started_at_ms = coalesce(started_at_ms, $3)
        WHERE operation_id = $1 AND status IN ('queued', 'running') AND token <= $2 RETURNING {_COLUMNS}
        """,  # noqa: S608
        operation.operation_id, token, now_ms(),
    )  # fmt: skip
    return _operation(_held(row, operation))


async def set_retired(connection: Connection, operation: Operation) -> Operation:
    """Note, before it is done, that the record's container is removed by this operation. Raises LeaseLost."""
    row = await connection.fetchrow(
        f"UPDATE operations SET retired = true WHERE operation_id = $1 AND status = 'running' AND token = $2 "  # noqa: S608
        f"RETURNING {_COLUMNS}",
        operation.operation_id, operation.token,
    )  # fmt: skip
    return _operation(_held(row, operation))


async def finish(
    connection: Connection,
    operation: Operation,
    *,
    outcome: Literal["success", "failure"],
    container_id: str = "",
    error_code: str = "",
    error_message: str = "",
) -> Operation:
    """Write the end of an operation. Raises LeaseLost if somebody else has it meanwhile, or has ended it."""
    row = await connection.fetchrow(
        f"""
        UPDATE operations SET status = $3, container_id = $4, error_code = $5, error_message = $6, finished_at_ms = $7,
            started_at_ms = coalesce(started_at_ms, $7)
        WHERE operation_id = $1 AND status IN ('queued', 'running') AND token = $2 RETURNING {_COLUMNS}
        """,  # noqa: S608
        operation.operation_id, operation.token, outcome, container_id, error_code, error_message, now_ms(),
    )  # fmt: skip
    return _operation(_held(row, operation))


async def last_stop_requested_at_ms(source: Source, game_id: str) -> int:
    """Give when the newest of the stop jobs that are done was requested; 0 if there is none."""
    found = await source.fetchval(
        "SELECT max(requested_at_ms) FROM operations WHERE game_id = $1 AND kind = 'stop' AND op_source = 'lobby_stream' "
        "AND status = 'success'",
        game_id,
    )
    return int(found or 0)


async def page(source: Source, game_id: str, before: int | None, size: int) -> list[Operation]:
    """Give the operations of a game, newest first, from before a position on."""
    rows = await source.fetch(
        f"SELECT {_COLUMNS} FROM operations WHERE game_id = $1 AND ($2::bigint IS NULL OR position < $2) "  # noqa: S608
        "ORDER BY position DESC LIMIT $3",
        game_id, before, size,
    )  # fmt: skip
    return [_operation(row) for row in rows]


def _present(row: Row | None) -> Row:
    if row is None:
        raise RuntimeError("the database gave no row of what it wrote")
    return row


def _held(row: Row | None, operation: Operation) -> Row:
    if row is None:
        raise LeaseLost(operation.game_id)
    return row
