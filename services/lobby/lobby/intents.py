"""`notification:intents`: what users are to be told, written in the transaction of what happened."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from servicekit import outbox
from servicekit.postgres import Connection

from lobby.causes import Cause
from lobby.games import Game

STREAM: Final = "notification:intents"

GameEvent = Literal["game_paused", "game_resumed", "game_started", "game_finished", "game_cancelled"]


async def tell(
    connection: Connection,
    cause: Cause,
    event: str,
    about: str,
    game: Game,
    recipients: Iterable[str],
    **payload: str,
) -> None:
    """Write an intent `lobby.{event}` to the recipients, if there are any.

    `about` tells this event from all others of its type: the same change is always told with the same idempotency key.
    """
    users = sorted(set(recipients))
    if not users:
        return
    kind = f"lobby.{event}"
    fields = {
        "notification_type": kind,
        "producer": "lobby",
        "audience_kind": "user",
        "recipient_user_ids": msgspec.json.encode(users).decode(),
        "idempotency_key": f"{kind}:{about}",
        "occurred_at_ms": str(game.now_ms),
        "request_id": cause.request_id,
        "trace_id": cause.trace_id,
        "payload": msgspec.json.encode({"game_id": game.game_id, "game_name": game.name, **payload}).decode(),
    }
    await outbox.put(connection, STREAM, fields, key=fields["idempotency_key"])


async def tell_players(
    connection: Connection, cause: Cause, event: GameEvent, about: str, game: Game
) -> None:
    """Tell the members, and the owner if he did not do it himself."""
    rows = await connection.fetch("SELECT user_id FROM members WHERE game_id = $1", game.game_id)
    recipients = {row["user_id"] for row in rows}
    if cause.actor != game.owner_user_id:
        recipients.add(game.owner_user_id)
    await tell(connection, cause, event, about, game, recipients)
