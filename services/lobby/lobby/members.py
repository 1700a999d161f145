"""The players of a game."""

from dataclasses import replace
from typing import Final

from servicekit.postgres import Connection, Record

from lobby import intents, lifecycle, races, wire
from lobby.calls import Call
from lobby.causes import Cause
from lobby.games import Game, find, lock, not_found, require_owner, require_visible, save
from lobby.paging import page, position
from lobby.refusals import refusal
from lobby.states import ENDED

_LEFT: Final = "left"


def document(row: Record) -> wire.Member:
    """Give a row of members as it is published."""
    return wire.Member(
        game_id=row["game_id"],
        user_id=row["user_id"],
        race_name=row["race_name"],
        joined_at_ms=row["joined_at_ms"],
    )


def require_enrollment(game: Game) -> None:
    """Raise ApiError 409 unless the game takes members."""
    if game.status != "enrollment_open" or game.enrollment_ends_at_ms <= game.now_ms:
        over = "its enrolment has ended" if game.status == "enrollment_open" else f"it is {game.status}"
        raise refusal("conflict", f"The game takes no members: {over}.")


async def add(connection: Connection, game: Game, user_id: str, race_name: str) -> tuple[Game, wire.Member]:
    """Make a user who has reserved his race name a member of a locked game whose enrolment is open."""
    row = await connection.fetchrow(
        "INSERT INTO members (game_id, user_id, race_name) VALUES ($1, $2, $3) RETURNING *",
        game.game_id,
        user_id,
        race_name,
    )
    if row is None:
        raise RuntimeError("INSERT gave no row")
    game = await save(connection, replace(game, member_count=game.member_count + 1))
    return game, document(row)


async def close_if_full(connection: Connection, game: Game, cause: Cause) -> Game:
    """Close the enrolment of a locked game that has all its players."""
    if game.status == "enrollment_open" and game.member_count >= game.max_players:
        return await lifecycle.close_enrollment(connection, game, cause)
    return game


async def remove(
    connection: Connection, game: Game, user_id: str, cause: Cause, reason: str = _LEFT
) -> wire.Member | None:
    """End a membership of a locked game and free its race name; the owner is told if he did not do it himself.

    Gives None if there was none. `reason` is left, user_blocked or user_deleted.
    """
    row = await connection.fetchrow(
        "DELETE FROM members WHERE game_id = $1 AND user_id = $2 RETURNING *", game.game_id, user_id
    )
    if row is None:
        return None
    await races.release(connection, game.game_id, user_id)
    game = await save(connection, replace(game, member_count=game.member_count - 1))
    if cause.actor != game.owner_user_id:
        about = f"{game.game_id}:{game.version}"
        owner = [game.owner_user_id]
        await intents.tell(
            connection, cause, "member_left", about, game, owner, user_id=user_id, reason=reason
        )
    return document(row)


async def all_of(connection: Connection, game_id: str) -> list[wire.Member]:
    """Give a game's members in the order in which they joined."""
    rows = await connection.fetch("SELECT * FROM members WHERE game_id = $1 ORDER BY position", game_id)
    return [document(row) for row in rows]


async def join(connection: Connection, call: Call) -> wire.Member:
    """The owner takes a place in his own game."""
    body: wire.JoinGameRequest = call.document
    race_name = races.chosen_race(body.race_name)
    game = await lock(connection, call.ids["game_id"])
    await require_owner(connection, game, call.user_id)
    require_enrollment(game)
    await races.reserve(connection, game.game_id, call.user_id, race_name)
    game, member = await add(connection, game, call.user_id, race_name)
    await close_if_full(connection, game, call.cause)
    return member


async def list_(connection: Connection, call: Call) -> wire.MemberPage:
    """A game's members."""
    query: wire.MemberPageQuery = call.document
    game = await find(connection, call.ids["game_id"])
    if game is None:
        raise not_found()
    await require_visible(connection, game, call.user_id)
    rows = await connection.fetch(
        "SELECT * FROM members WHERE game_id = $1 AND ($2::bigint IS NULL OR position > $2)"
        " ORDER BY position LIMIT $3",
        game.game_id,
        position(query.cursor),
        query.page_size + 1,
    )
    found, cursor = page(rows, query.page_size, document)
    return wire.MemberPage(members=found, next_cursor=cursor)


async def leave(connection: Connection, call: Call) -> wire.Member:
    """A member leaves, or the owner removes him."""
    user_id = call.ids["user_id"]
    game = await lock(connection, call.ids["game_id"])
    await require_visible(connection, game, call.user_id)
    if call.user_id not in {user_id, game.owner_user_id}:
        raise refusal("forbidden", "Only the member himself or the owner of the game may do this.")
    if game.status in ENDED:
        raise refusal("conflict", f"The game is {game.status}: its members stay as they were.")
    member = await remove(connection, game, user_id, call.cause)
    if member is None:
        raise refusal("member_not_found", "The user is not a member of this game.")
    return member
