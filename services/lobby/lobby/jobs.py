"""`runtime:start_jobs` and `runtime:stop_jobs`: what rtmanager is asked for, written in the transaction of the change."""

from dataclasses import replace
from typing import Final, Literal

from servicekit import outbox
from servicekit.postgres import Connection

from lobby.games import Game

START_JOBS: Final = "runtime:start_jobs"
STOP_JOBS: Final = "runtime:stop_jobs"

StopReason = Literal["cancelled", "finished", "start_timeout"]


def next_time(game: Game) -> int:
    """Give the time of a game's next job, in Unix milliseconds: later than every job of the game before it.

    The two streams have no common order. These times have one, whatever the clock does, so that rtmanager can tell a stop
    that belongs to an earlier start.
    """
    return max(game.now_ms, game.job_requested_at_ms + 1)


async def start(connection: Connection, game: Game) -> Game:
    """Ask for the engine of a game; gives the game with the start that is now its present one, not yet saved."""
    requested = next_time(game)
    fields = {"game_id": game.game_id, "image_ref": game.image_ref, "requested_at_ms": str(requested)}
    await outbox.put(connection, START_JOBS, fields)
    return replace(game, start_requested_at_ms=requested, job_requested_at_ms=requested)


async def stop(connection: Connection, game: Game, reason: StopReason) -> Game:
    """Ask for the end of a game's engine; gives the game, not yet saved."""
    requested = next_time(game)
    fields = {"game_id": game.game_id, "reason": reason, "requested_at_ms": str(requested)}
    await outbox.put(connection, STOP_JOBS, fields)
    return replace(game, job_requested_at_ms=requested)
