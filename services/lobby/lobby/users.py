"""Consuming `user:lifecycle_events`: a user who is blocked or deleted leaves his games."""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from servicekit import inbox, logs
from servicekit.postgres import Connection, Database
from servicekit.streams import Entry

from lobby import lifecycle, members, races
from lobby.causes import Cause
from lobby.entries import TimeMs, fields
from lobby.games import Game, lock
from lobby.states import BEFORE_RUNNING
from lobby.wire import OpaqueId

STREAM: Final = "user:lifecycle_events"
REJECTED: Final = f"{STREAM}:rejected"

_REASONS: Final = {"user.blocked": "user_blocked", "user.deleted": "user_deleted"}

_log = logs.get("lobby.users")


class LifecycleEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an entry that count here."""

    event: Annotated[str, Meta(max_length=128, pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+(?!\n)$")]
    user_id: OpaqueId
    occurred_at_ms: TimeMs
    reason_code: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET


@dataclass(frozen=True, slots=True)
class Users:
    """The stream's handler."""

    database: Database

    async def handle(self, entry: Entry) -> None:
        """Take over one event, once. Raises Reject for one that can never be used, and DatabaseUnavailable."""
        event = fields(entry, LifecycleEvent)
        reason = _REASONS.get(event.event)
        if reason is None:
            return
        # He is the actor: nobody tells him what he is no part of any more.
        cause = Cause(event.user_id, f"{STREAM}:{entry.id}")
        async with self.database.transaction() as connection:
            if await inbox.seen(connection, STREAM, entry.id):
                return
            games = await _leave_all(connection, event.user_id, cause, reason)
        _log.info("user_left", user_id=event.user_id, reason=reason, games=games)


async def _leave_all(connection: Connection, user_id: str, cause: Cause, reason: str) -> int:
    """End what a user has to do with games that have not ended; gives how many they were."""
    # Locked in the order of their ids, so that two who lock several do not wait for each other.
    rows = await connection.fetch(
        """
        SELECT game_id FROM games AS g
        WHERE status NOT IN ('finished', 'cancelled') AND (
            owner_user_id = $1
            OR EXISTS (SELECT FROM races WHERE game_id = g.game_id AND user_id = $1)
            OR EXISTS (SELECT FROM invites WHERE game_id = g.game_id AND invitee_user_id = $1 AND status = 'pending')
        )
        ORDER BY game_id FOR UPDATE
        """,
        user_id,
    )
    for row in rows:
        await _leave(connection, await lock(connection, row["game_id"]), user_id, cause, reason)
    return len(rows)


async def _leave(connection: Connection, game: Game, user_id: str, cause: Cause, reason: str) -> None:
    await connection.execute(
        "UPDATE applications SET status = 'withdrawn', decided_at_ms = now_ms()"
        " WHERE game_id = $1 AND user_id = $2 AND status = 'pending'",
        game.game_id,
        user_id,
    )
    await connection.execute(
        "UPDATE invites SET status = 'revoked', decided_at_ms = now_ms()"
        " WHERE game_id = $1 AND invitee_user_id = $2 AND status = 'pending'",
        game.game_id,
        user_id,
    )
    if await members.remove(connection, game, user_id, cause, reason) is None:
        await races.release(connection, game.game_id, user_id)
    if game.owner_user_id == user_id and game.status in BEFORE_RUNNING:
        await lifecycle.cancel(connection, await lock(connection, game.game_id), cause)
