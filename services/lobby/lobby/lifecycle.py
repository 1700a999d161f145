"""A game's transitions, each with what leaves with it: jobs and intents, in the caller's transaction.

Every function takes a game that the caller has locked, and gives it as it is then. Raises IllegalTransition.
"""

from dataclasses import dataclass, replace

from servicekit.postgres import Connection

from lobby import enrollment, intents, jobs, races
from lobby.causes import Cause
from lobby.games import Game, save
from lobby.refusals import refusal
from lobby.states import after


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where the engine of a game runs."""

    container_id: str
    engine_endpoint: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a start failed."""

    error_code: str
    error_message: str


async def open_enrollment(connection: Connection, game: Game, _: Cause) -> Game:
    """To enrollment_open. Raises ApiError 409 if its end has passed."""
    status = after(game.status, "open_enrollment")
    if game.enrollment_ends_at_ms <= game.now_ms:
        raise refusal("conflict", "enrollment_ends_at_ms has passed; set it to a later time first.")
    return await save(connection, replace(game, status=status))


async def close_enrollment(connection: Connection, game: Game, cause: Cause) -> Game:
    """To ready_to_start; the owner is told. Raises ApiError 409 below the least number of players."""
    status = after(game.status, "close_enrollment")
    _require_players(game)
    await enrollment.end(connection, game, cause)
    game = await save(connection, replace(game, status=status))
    await intents.tell(connection, cause, "game_ready", game.game_id, game, [game.owner_user_id])
    return game


def _require_players(game: Game) -> None:
    if game.member_count < game.min_players:
        raise refusal("conflict", f"The game has {game.member_count} members and needs {game.min_players}.")


async def start(connection: Connection, game: Game, _: Cause) -> Game:
    """To starting, with a start job. Raises ApiError 409 below the least number of players."""
    status = after(game.status, "start")
    _require_players(game)
    game = await jobs.start(connection, game)
    return await save(
        connection,
        replace(
            game,
            status=status,
            start_attempt=game.start_attempt + 1,
            start_error_code=None,
            start_error_message=None,
            container_id=None,
            engine_endpoint=None,
        ),
    )


async def start_succeeded(connection: Connection, game: Game, cause: Cause, runtime: Runtime) -> Game:
    """To running; the players are told."""
    status = after(game.status, "start_succeeded")
    game = await save(
        connection,
        replace(
            game,
            status=status,
            container_id=runtime.container_id,
            engine_endpoint=runtime.engine_endpoint,
            started_at_ms=game.now_ms,
        ),
    )
    about = f"{game.game_id}:{game.start_attempt}"
    await intents.tell_players(connection, cause, "game_started", about, game)
    return game


async def start_failed(connection: Connection, game: Game, cause: Cause, failure: Failure) -> Game:
    """To start_failed; the owner is told."""
    status = after(game.status, "start_failed")
    game = await save(
        connection,
        replace(
            game,
            status=status,
            start_error_code=failure.error_code,
            start_error_message=failure.error_message,
        ),
    )
    about = f"{game.game_id}:{game.start_attempt}"
    owner = [game.owner_user_id]
    await intents.tell(
        connection, cause, "game_start_failed", about, game, owner, error_code=failure.error_code
    )
    return game


async def pause(connection: Connection, game: Game, cause: Cause) -> Game:
    """To paused; the players are told."""
    game = await save(connection, replace(game, status=after(game.status, "pause")))
    about = f"{game.game_id}:{game.version}"
    await intents.tell_players(connection, cause, "game_paused", about, game)
    return game


async def resume(connection: Connection, game: Game, cause: Cause) -> Game:
    """To running; the players are told."""
    game = await save(connection, replace(game, status=after(game.status, "resume")))
    about = f"{game.game_id}:{game.version}"
    await intents.tell_players(connection, cause, "game_resumed", about, game)
    return game


async def finish(connection: Connection, game: Game, cause: Cause) -> Game:
    """To finished, with a stop job; the players are told."""
    status = after(game.status, "finish")
    game = await jobs.stop(connection, game, "finished")
    game = await save(connection, replace(game, status=status, ended_at_ms=game.now_ms))
    await intents.tell_players(connection, cause, "game_finished", game.game_id, game)
    return game


async def cancel(connection: Connection, game: Game, cause: Cause) -> Game:
    """To cancelled, with a stop job if it was starting; the players are told, and every race name is free."""
    status = after(game.status, "cancel")
    if game.status == "starting":
        game = await jobs.stop(connection, game, "cancelled")
    await enrollment.end(connection, game, cause)
    await races.release_all(connection, game.game_id)
    game = await save(connection, replace(game, status=status, ended_at_ms=game.now_ms))
    await intents.tell_players(connection, cause, "game_cancelled", game.game_id, game)
    return game
