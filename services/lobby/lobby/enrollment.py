"""The end of a game's enrolment: who has not become a member by then does not become one."""

from servicekit.postgres import Connection

from lobby import intents, races
from lobby.causes import Cause
from lobby.games import Game


async def end(connection: Connection, game: Game, cause: Cause) -> None:
    """Reject the pending applications of a locked game, telling the applicants, and end its pending invites."""
    rejected = await connection.fetch(
        "UPDATE applications SET status = 'rejected', decided_at_ms = now_ms()"
        " WHERE game_id = $1 AND status = 'pending' RETURNING application_id, user_id, race_name",
        game.game_id,
    )
    for row in rejected:
        await races.release(connection, game.game_id, row["user_id"])
        await intents.tell(
            connection,
            cause,
            "application_rejected",
            row["application_id"],
            game,
            [row["user_id"]],
            race_name=row["race_name"],
        )
    await connection.execute(
        "UPDATE invites SET status = CASE WHEN expires_at_ms <= now_ms() THEN 'expired' ELSE 'revoked' END,"
        " decided_at_ms = least(expires_at_ms, now_ms())"
        " WHERE game_id = $1 AND status = 'pending'",
        game.game_id,
    )
