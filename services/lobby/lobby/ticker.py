"""What time does by itself: the end of an enrolment, of a start without a result, of an invite.

Any number of instances may do it at once: each takes a game that no other holds.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from servicekit import logs
from servicekit.postgres import Connection, Database, DatabaseUnavailable

from lobby import invites, jobs, lifecycle
from lobby.causes import Cause
from lobby.games import Game, lock
from lobby.lifecycle import Failure

_ENROLLMENT_OVER: Final = """
SELECT game_id FROM games WHERE status = 'enrollment_open' AND enrollment_ends_at_ms <= now_ms()
ORDER BY enrollment_ends_at_ms LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_START_OVERDUE: Final = """
SELECT game_id FROM games WHERE status = 'starting' AND start_requested_at_ms <= now_ms() - $1
ORDER BY start_requested_at_ms LIMIT 1 FOR UPDATE SKIP LOCKED
"""

Step = Callable[[Connection], Awaitable[bool]]

_log = logs.get("lobby.ticker")


class Ticker:
    """Looks for what is due, for ever."""

    def __init__(self, database: Database, *, every_ms: int, start_timeout_ms: int) -> None:
        """`every_ms` is the pause between two looks; `start_timeout_ms` is how long a start may be without a result."""
        self._database = database
        self._every_s = every_ms / 1000
        self._start_timeout_ms = start_timeout_ms

    async def run(self) -> None:
        """Tick until cancelled. An outage of the database is waited out; its watcher was told."""
        while True:
            with contextlib.suppress(DatabaseUnavailable):
                await self.tick()
            await asyncio.sleep(self._every_s)

    async def tick(self) -> None:
        """Do everything that is due now, each game in a transaction of its own. Raises DatabaseUnavailable."""
        for step in (self._close_one, self._time_out_one, self._expire_some):
            while await self._do(step):
                pass

    async def _do(self, step: Step) -> bool:
        async with self._database.transaction() as connection:
            return await step(connection)

    async def _close_one(self, connection: Connection) -> bool:
        game_id = await connection.fetchval(_ENROLLMENT_OVER)
        if game_id is None:
            return False
        game = await lock(connection, game_id)
        cause = _cause(game)
        enough = game.member_count >= game.min_players
        done = lifecycle.close_enrollment if enough else lifecycle.cancel
        game = await done(connection, game, cause)
        _log.info("enrollment_ended", game_id=game.game_id, status=game.status)
        return True

    async def _time_out_one(self, connection: Connection) -> bool:
        game_id = await connection.fetchval(_START_OVERDUE, self._start_timeout_ms)
        if game_id is None:
            return False
        game = await lock(connection, game_id)
        # Whatever becomes of that start, nobody waits for it any more.
        game = await jobs.stop(connection, game, "start_timeout")
        failure = Failure("start_timeout", "No result of the start came in time.")
        await lifecycle.start_failed(connection, game, _cause(game), failure)
        _log.info("start_timed_out", game_id=game.game_id)
        return True

    async def _expire_some(self, connection: Connection) -> bool:
        return await invites.expire(connection) > 0


def _cause(game: Game) -> Cause:
    return Cause(None, f"timer:{game.game_id}")
