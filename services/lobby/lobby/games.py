"""A game's row: reading, locking, saving it, and who may see it."""

import secrets
from dataclasses import dataclass, fields
from typing import Any, Self

from msgspec import UNSET
from servicekit.postgres import Connection, Record

from lobby import wire
from lobby.calls import Call
from lobby.names import InvalidName, game_name
from lobby.paging import page, position
from lobby.refusals import refusal
from lobby.states import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Game:
    """A row of games, and the time of the database when it was read."""

    game_id: str
    owner_user_id: str
    name: str
    visibility: wire.Visibility
    status: State
    min_players: int
    max_players: int
    member_count: int
    enrollment_ends_at_ms: int
    image_ref: str
    version: int
    start_attempt: int
    start_requested_at_ms: int | None
    job_requested_at_ms: int
    start_error_code: str | None
    start_error_message: str | None
    container_id: str | None
    engine_endpoint: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    created_at_ms: int
    updated_at_ms: int
    now_ms: int

    @classmethod
    def of(cls, row: Record) -> Self:
        """Read a row that has every column, and `now_ms`."""
        return cls(**{field.name: row[field.name] for field in fields(cls)})

    def document(self) -> wire.Game:
        """Give what those who may see the game see."""
        return wire.Game(
            game_id=self.game_id,
            owner_user_id=self.owner_user_id,
            name=self.name,
            visibility=self.visibility,
            status=self.status,
            min_players=self.min_players,
            max_players=self.max_players,
            member_count=self.member_count,
            enrollment_ends_at_ms=self.enrollment_ends_at_ms,
            image_ref=self.image_ref,
            version=self.version,
            created_at_ms=self.created_at_ms,
            updated_at_ms=self.updated_at_ms,
            started_at_ms=_given(self.started_at_ms),
            ended_at_ms=_given(self.ended_at_ms),
            start_error_code=_given(self.start_error_code),
        )


def _given(value: Any) -> Any:
    return UNSET if value is None else value


def new_id(kind: str) -> str:
    """Give a new identifier, of 128 random bits. A game's is also part of a host's name."""
    return f"{kind}-{secrets.token_hex(16)}"


def not_found() -> Exception:
    """Give the error for a game that is not there, or that the caller may not know of."""
    return refusal("game_not_found", "There is no such game.")


async def find(connection: Connection, game_id: str) -> Game | None:
    """Read a game."""
    row = await connection.fetchrow("SELECT *, now_ms() AS now_ms FROM games WHERE game_id = $1", game_id)
    return None if row is None else Game.of(row)


async def lock_if_known(connection: Connection, game_id: str) -> Game | None:
    """Read a game and keep everybody else from changing it until the transaction ends.

    The time is read after the lock was got: it is later than every change before.
    """
    row = await connection.fetchrow(
        "WITH locked AS MATERIALIZED (SELECT * FROM games WHERE game_id = $1 FOR UPDATE)"
        " SELECT *, now_ms() AS now_ms FROM locked",
        game_id,
    )
    return None if row is None else Game.of(row)


async def lock(connection: Connection, game_id: str) -> Game:
    """As lock_if_known, but raises ApiError 404 for a game that is not there."""
    game = await lock_if_known(connection, game_id)
    if game is None:
        raise not_found()
    return game


async def hold(connection: Connection, game_id: str) -> Game:
    """Read a game and keep it from being changed until the transaction ends, beside others who hold it. Raises ApiError 404."""
    row = await connection.fetchrow(
        "WITH held AS MATERIALIZED (SELECT * FROM games WHERE game_id = $1 FOR SHARE)"
        " SELECT *, now_ms() AS now_ms FROM held",
        game_id,
    )
    if row is None:
        raise not_found()
    return Game.of(row)


async def save(connection: Connection, game: Game) -> Game:
    """Write a locked game back, as its next version."""
    row = await connection.fetchrow(
        """
        UPDATE games SET
            name = $2, visibility = $3, status = $4, min_players = $5, max_players = $6, member_count = $7,
            enrollment_ends_at_ms = $8, image_ref = $9, start_attempt = $10, start_requested_at_ms = $11,
            job_requested_at_ms = $12, start_error_code = $13, start_error_message = $14, container_id = $15,
            engine_endpoint = $16, started_at_ms = $17, ended_at_ms = $18,
            version = version + 1, updated_at_ms = greatest(now_ms(), updated_at_ms)
        WHERE game_id = $1 RETURNING *, now_ms() AS now_ms
        """,
        game.game_id, game.name, game.visibility, game.status, game.min_players, game.max_players, game.member_count,
        game.enrollment_ends_at_ms, game.image_ref, game.start_attempt, game.start_requested_at_ms,
        game.job_requested_at_ms, game.start_error_code, game.start_error_message, game.container_id,
        game.engine_endpoint, game.started_at_ms, game.ended_at_ms,
    )  # fmt: skip
    if row is None:
        raise not_found()
    return Game.of(row)


async def require_visible(connection: Connection, game: Game, user_id: str) -> None:
    """Raise ApiError 404 for a private game that is not the user's: he neither owns nor plays nor is invited to it."""
    if game.visibility == "public" or game.owner_user_id == user_id:
        return
    known = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM members WHERE game_id = $1 AND user_id = $2)
            OR EXISTS (SELECT FROM invites WHERE game_id = $1 AND invitee_user_id = $2
                       AND status = 'pending' AND expires_at_ms > now_ms())
        """,
        game.game_id,
        user_id,
    )
    if not known:
        raise not_found()


async def require_owner(connection: Connection, game: Game, user_id: str) -> None:
    """Raise ApiError 404 if the user may not see the game, else ApiError 403 if it is not his."""
    await require_visible(connection, game, user_id)
    if game.owner_user_id != user_id:
        raise refusal("forbidden", "Only the owner of the game may do this.")


def chosen_name(text: str) -> str:
    """Give a game's name as it is kept. Raises ApiError 400."""
    try:
        return game_name(text)
    except InvalidName as reason:
        raise refusal("invalid_request", f"name {reason}.") from None


async def create(connection: Connection, call: Call) -> wire.Game:
    """A new draft."""
    document: wire.CreateGameRequest = call.document
    name = chosen_name(document.name)
    if document.min_players > document.max_players:
        raise refusal("invalid_request", "min_players is larger than max_players.")
    if document.enrollment_ends_at_ms <= await connection.fetchval("SELECT now_ms()"):
        raise refusal("invalid_request", "enrollment_ends_at_ms is not in the future.")
    row = await connection.fetchrow(
        """
        INSERT INTO games (game_id, owner_user_id, name, visibility, status, min_players, max_players,
                           enrollment_ends_at_ms, image_ref)
        VALUES ($1, $2, $3, $4, 'draft', $5, $6, $7, $8) RETURNING *, now_ms() AS now_ms
        """,
        new_id("g"), call.user_id, name, document.visibility, document.min_players, document.max_players,
        document.enrollment_ends_at_ms, document.image_ref,
    )  # fmt: skip
    if row is None:
        raise RuntimeError("INSERT gave no row")
    return Game.of(row).document()


async def get(connection: Connection, call: Call) -> wire.Game:
    """One game."""
    game = await find(connection, call.ids["game_id"])
    if game is None:
        raise not_found()
    await require_visible(connection, game, call.user_id)
    return game.document()


async def list_(connection: Connection, call: Call) -> wire.GamePage:
    """The games that the caller may see."""
    query: wire.GamePageQuery = call.document
    rows = await connection.fetch(
        """
        SELECT *, now_ms() AS now_ms FROM games AS g
        WHERE ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR visibility = $3)
          AND ($5::bigint IS NULL OR position < $5)
          AND CASE coalesce($4::text, 'any')
            WHEN 'owner' THEN owner_user_id = $1
            WHEN 'member' THEN EXISTS (SELECT FROM members WHERE game_id = g.game_id AND user_id = $1)
            WHEN 'invitee' THEN EXISTS (SELECT FROM invites WHERE game_id = g.game_id AND invitee_user_id = $1
                                        AND status = 'pending' AND expires_at_ms > now_ms())
            ELSE visibility = 'public' AND status <> 'draft' OR owner_user_id = $1
              OR EXISTS (SELECT FROM members WHERE game_id = g.game_id AND user_id = $1)
              OR EXISTS (SELECT FROM invites WHERE game_id = g.game_id AND invitee_user_id = $1
                         AND status = 'pending' AND expires_at_ms > now_ms())
            END
        ORDER BY position DESC LIMIT $6
        """,
        call.user_id, _or_none(query.status), _or_none(query.visibility), _or_none(query.role),
        position(query.cursor), query.page_size + 1,
    )  # fmt: skip
    found, cursor = page(rows, query.page_size, lambda row: Game.of(row).document())
    return wire.GamePage(games=found, next_cursor=cursor)


def _or_none(value: Any) -> Any:
    return None if value is UNSET else value
