"""What a game's owner may change of it, and until when."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from msgspec import UNSET
from servicekit.postgres import Connection

from lobby import members, wire
from lobby.calls import Call
from lobby.games import chosen_name, lock, require_owner, save
from lobby.refusals import refusal
from lobby.states import State

_ALL: Final = frozenset(wire.UpdateGameRequest.__struct_fields__)
_CHANGEABLE: Final[Mapping[State, frozenset[str]]] = {
    "draft": _ALL,
    "enrollment_open": _ALL - {"visibility"},
    "ready_to_start": frozenset({"name", "min_players", "image_ref"}),
    "start_failed": frozenset({"name", "min_players", "image_ref"}),
}
"""What may still be changed in which state; nothing in the others."""


async def update(connection: Connection, call: Call) -> wire.Game:
    """Change what the owner gives."""
    body: wire.UpdateGameRequest = call.document
    changes: dict[str, Any] = {
        name: value for name in sorted(_ALL) if (value := getattr(body, name)) is not UNSET
    }
    if not changes:
        raise refusal("invalid_request", "Give at least one field to change.")
    if "name" in changes:
        changes["name"] = chosen_name(changes["name"])
    game = await lock(connection, call.ids["game_id"])
    await require_owner(connection, game, call.user_id)
    fixed = sorted(set(changes) - _CHANGEABLE.get(game.status, frozenset()))
    if fixed:
        raise refusal("conflict", f"The game is {game.status}: {', '.join(fixed)} cannot be changed.")
    new = replace(game, **changes)
    if new.min_players > new.max_players:
        raise refusal("invalid_request", "min_players is larger than max_players.")
    if "enrollment_ends_at_ms" in changes and new.enrollment_ends_at_ms <= game.now_ms:
        raise refusal("invalid_request", "enrollment_ends_at_ms is not in the future.")
    if new.max_players < game.member_count:
        raise refusal("conflict", f"The game has {game.member_count} members already.")
    new = await save(connection, new)
    return (await members.close_if_full(connection, new, call.cause)).document()
