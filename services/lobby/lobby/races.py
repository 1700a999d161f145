"""Race names: each is taken by one user of a game, and each user of a game has one.

Two constraints of the table races decide it, whatever else runs at the same time.
"""

from servicekit.postgres import Connection

from lobby.names import InvalidName, race_key, race_name
from lobby.refusals import refusal


def chosen_race(text: str) -> str:
    """Give a race name as it is kept. Raises ApiError 400."""
    try:
        return race_name(text)
    except InvalidName as reason:
        raise refusal("invalid_request", f"race_name {reason}.") from None


async def reserve(connection: Connection, game_id: str, user_id: str, shown: str) -> None:
    """Take a race name for a user.

    Raises ApiError 409: `conflict` if the user has applied or is a member already, `race_name_taken` if another has it.
    """
    taken = await connection.fetchval(
        "INSERT INTO races (game_id, race_key, race_name, user_id) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING RETURNING true",
        game_id,
        race_key(shown),
        shown,
        user_id,
    )
    if taken:
        return
    if await connection.fetchval(
        "SELECT true FROM races WHERE game_id = $1 AND user_id = $2", game_id, user_id
    ):
        raise refusal("conflict", "The user is a member of this game already, or has applied to it.")
    raise refusal("race_name_taken", "Another player of this game has this race name; choose another.")


async def release(connection: Connection, game_id: str, user_id: str) -> None:
    """Give a user's race name back."""
    await connection.execute("DELETE FROM races WHERE game_id = $1 AND user_id = $2", game_id, user_id)


async def release_all(connection: Connection, game_id: str) -> None:
    """Give every race name of a game back."""
    await connection.execute("DELETE FROM races WHERE game_id = $1", game_id)
