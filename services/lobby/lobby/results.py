"""Consuming `runtime:job_results`: what became of a start or a stop."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from servicekit import inbox, logs
from servicekit.postgres import Connection, Database
from servicekit.streams import Entry, Reject

from lobby import jobs, lifecycle
from lobby.causes import Cause
from lobby.entries import TimeMs, fields
from lobby.games import Game, lock_if_known, save
from lobby.lifecycle import Failure, Runtime
from lobby.states import State
from lobby.wire import OpaqueId

STREAM: Final = "runtime:job_results"
REJECTED: Final = f"{STREAM}:rejected"

_WITH_ENGINE: Final[frozenset[State]] = frozenset({"starting", "running", "paused"})
_REASONS: Final[Mapping[State, jobs.StopReason]] = {
    "finished": "finished",
    "start_failed": "start_timeout",
}

_log = logs.get("lobby.results")


class JobResult(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The fields of an entry."""

    operation: Literal["start", "stop"]
    requested_at_ms: TimeMs
    game_id: OpaqueId
    outcome: Literal["success", "failure"]
    container_id: Annotated[str, Meta(max_length=128)]
    engine_endpoint: Annotated[str, Meta(max_length=512)]
    error_code: Annotated[str, Meta(pattern=r"^(?:[a-z][a-z0-9_]{0,63})?(?!\n)$")]
    error_message: Annotated[str, Meta(max_length=4096)]


@dataclass(frozen=True, slots=True)
class Results:
    """The stream's handler."""

    database: Database

    async def handle(self, entry: Entry) -> None:
        """Take over one result, once. Raises Reject for one that can never be used, and DatabaseUnavailable."""
        result = fields(entry, JobResult)
        if result.outcome == "failure" and not result.error_code:
            raise Reject("error_code: is empty, but outcome is failure")
        cause = Cause(None, f"{STREAM}:{entry.id}")
        async with self.database.transaction() as connection:
            if await inbox.seen(connection, STREAM, entry.id):
                return
            game = await lock_if_known(connection, result.game_id)
            if game is None:
                raise Reject("game_id: there is no such game")
            take = _take_start if result.operation == "start" else _take_stop
            what = await take(connection, game, result, cause)
        level = _log.warning if what == "runtime_stop_failed" else _log.info
        level(
            what,
            game_id=result.game_id,
            operation=result.operation,
            outcome=result.outcome,
            error_code=result.error_code,
        )


async def _take_start(connection: Connection, game: Game, result: JobResult, cause: Cause) -> str:
    current = game.status == "starting" and str(game.start_requested_at_ms) == result.requested_at_ms
    if current and result.outcome == "success":
        runtime = Runtime(result.container_id, result.engine_endpoint)
        await lifecycle.start_succeeded(connection, game, cause, runtime)
        return "game_started"
    if current:
        failure = Failure(result.error_code, result.error_message)
        await lifecycle.start_failed(connection, game, cause, failure)
        return "game_start_failed"
    if result.outcome == "success" and game.status not in _WITH_ENGINE:
        # The engine runs and nobody wants it any more: the stop job of then may have found nothing to stop.
        game = await jobs.stop(connection, game, _REASONS.get(game.status, "cancelled"))
        await save(connection, game)
        return "late_start_stopped"
    return "job_result_ignored"


async def _take_stop(connection: Connection, game: Game, result: JobResult, _: Cause) -> str:
    if result.outcome == "failure":
        return "runtime_stop_failed"
    if game.status in _WITH_ENGINE or game.container_id is None:
        return "job_result_ignored"
    await save(connection, replace(game, container_id=None, engine_endpoint=None))
    return "runtime_stopped"
