"""Invites: how users come into a private game."""

from msgspec import UNSET
from servicekit.postgres import Connection, Record

from lobby import intents, members, races, wire
from lobby.calls import Call
from lobby.games import Game, find, hold, lock, new_id, not_found, require_owner, require_visible
from lobby.paging import page, position
from lobby.refusals import refusal


def _document(row: Record) -> wire.Invite:
    return wire.Invite(
        invite_id=row["invite_id"],
        game_id=row["game_id"],
        inviter_user_id=row["inviter_user_id"],
        invitee_user_id=row["invitee_user_id"],
        status=row["status"],
        created_at_ms=row["created_at_ms"],
        expires_at_ms=row["expires_at_ms"],
        decided_at_ms=UNSET if row["decided_at_ms"] is None else row["decided_at_ms"],
    )


async def create(connection: Connection, call: Call) -> wire.Invite:
    """The owner asks a user to join, who is told."""
    body: wire.CreateInviteRequest = call.document
    invitee = body.invitee_user_id
    game = await hold(connection, call.ids["game_id"])
    await require_owner(connection, game, call.user_id)
    if game.visibility != "private":
        raise refusal("conflict", "A public game takes applications, not invited users.")
    if invitee == game.owner_user_id:
        raise refusal("conflict", "The owner joins his own game directly, as a member.")
    members.require_enrollment(game)
    if await connection.fetchval(
        "SELECT true FROM members WHERE game_id = $1 AND user_id = $2", game.game_id, invitee
    ):
        raise refusal("conflict", "The user is a member of this game already.")
    await connection.execute(
        "UPDATE invites SET status = 'expired', decided_at_ms = expires_at_ms"
        " WHERE game_id = $1 AND invitee_user_id = $2 AND status = 'pending' AND expires_at_ms <= now_ms()",
        game.game_id,
        invitee,
    )
    row = await connection.fetchrow(
        "INSERT INTO invites"
        " (invite_id, game_id, inviter_user_id, invitee_user_id, status, created_at_ms, expires_at_ms)"
        " VALUES ($1, $2, $3, $4, 'pending', $5, $6) ON CONFLICT DO NOTHING RETURNING *",
        new_id("i"),
        game.game_id,
        call.user_id,
        invitee,
        game.now_ms,
        min(game.now_ms + call.rules.invite_ttl_ms, game.enrollment_ends_at_ms),
    )
    if row is None:
        raise refusal("conflict", "The user has a pending invite to this game already.")
    invite = _document(row)
    await intents.tell(
        connection,
        call.cause,
        "invite_created",
        invite.invite_id,
        game,
        [invitee],
        inviter_user_id=call.user_id,
    )
    return invite


async def list_(connection: Connection, call: Call) -> wire.InvitePage:
    """A game's invites: all for its owner, their own for others."""
    query: wire.InvitePageQuery = call.document
    game = await find(connection, call.ids["game_id"])
    if game is None:
        raise not_found()
    await require_visible(connection, game, call.user_id)
    # An invite whose time is over has expired, whether or not somebody has written that down yet.
    rows = await connection.fetch(
        """
        WITH current AS (
            SELECT invite_id, position, game_id, inviter_user_id, invitee_user_id, created_at_ms, expires_at_ms,
                   CASE WHEN over THEN 'expired' ELSE status END AS status,
                   CASE WHEN over THEN expires_at_ms ELSE decided_at_ms END AS decided_at_ms
            FROM (SELECT *, status = 'pending' AND expires_at_ms <= now_ms() AS over FROM invites WHERE game_id = $1) AS judged
        )
        SELECT * FROM current
        WHERE ($2::text IS NULL OR invitee_user_id = $2) AND ($3::text IS NULL OR status = $3)
          AND ($4::bigint IS NULL OR position < $4)
        ORDER BY position DESC LIMIT $5
        """,
        game.game_id,
        None if game.owner_user_id == call.user_id else call.user_id,
        None if query.status is UNSET else query.status,
        position(query.cursor),
        query.page_size + 1,
    )
    found, cursor = page(rows, query.page_size, _document)
    return wire.InvitePage(invites=found, next_cursor=cursor)


async def _pending(connection: Connection, game: Game, call: Call, side: wire.Role) -> wire.Invite:
    """Lock an invite, after its game, for the side that may decide it: the invitee or the owner.

    Who was invited is told what became of his invite, though the game is no longer his to see.
    """
    row = await connection.fetchrow(
        "SELECT * FROM invites WHERE invite_id = $1 AND game_id = $2 FOR UPDATE",
        call.ids["invite_id"],
        game.game_id,
    )
    sides = {game.owner_user_id: "owner", **({row["invitee_user_id"]: "invitee"} if row else {})}
    mine = sides.get(call.user_id)
    if mine is None:
        await require_visible(connection, game, call.user_id)
    if row is None or mine is None:
        raise refusal("invite_not_found", "There is no such invite to this game.")
    if mine != side:
        raise refusal("forbidden", f"Only the {side} may do this with an invite.")
    invite = _document(row)
    if invite.status == "expired" or (invite.status == "pending" and invite.expires_at_ms <= game.now_ms):
        raise refusal("invite_expired", "The invite has expired; ask for a new one.")
    if invite.status != "pending":
        raise refusal("conflict", f"The invite is {invite.status} already.")
    return invite


async def _decide(connection: Connection, invite: wire.Invite, status: wire.InviteStatus) -> wire.Invite:
    row = await connection.fetchrow(
        "UPDATE invites SET status = $2, decided_at_ms = now_ms() WHERE invite_id = $1 RETURNING *",
        invite.invite_id,
        status,
    )
    if row is None:
        raise RuntimeError("a locked invite is gone")
    return _document(row)


async def accept(connection: Connection, call: Call) -> wire.Invite:
    """The invitee becomes a member; the owner is told. A game that is full then closes its enrolment."""
    body: wire.AcceptInviteRequest = call.document
    race_name = races.chosen_race(body.race_name)
    game = await lock(connection, call.ids["game_id"])
    invite = await _pending(connection, game, call, "invitee")
    members.require_enrollment(game)
    await races.reserve(connection, game.game_id, call.user_id, race_name)
    invite = await _decide(connection, invite, "accepted")
    game, _ = await members.add(connection, game, call.user_id, race_name)
    await _tell_owner(connection, call, game, invite, "invite_accepted")
    await members.close_if_full(connection, game, call.cause)
    return invite


async def decline(connection: Connection, call: Call) -> wire.Invite:
    """The invitee does not want to; the owner is told."""
    game = await hold(connection, call.ids["game_id"])
    invite = await _pending(connection, game, call, "invitee")
    invite = await _decide(connection, invite, "declined")
    await _tell_owner(connection, call, game, invite, "invite_declined")
    return invite


async def revoke(connection: Connection, call: Call) -> wire.Invite:
    """The owner takes the invite back."""
    game = await hold(connection, call.ids["game_id"])
    invite = await _pending(connection, game, call, "owner")
    return await _decide(connection, invite, "revoked")


async def _tell_owner(
    connection: Connection, call: Call, game: Game, invite: wire.Invite, event: str
) -> None:
    await intents.tell(
        connection,
        call.cause,
        event,
        invite.invite_id,
        game,
        [game.owner_user_id],
        invitee_user_id=invite.invitee_user_id,
    )


async def expire(connection: Connection) -> int:
    """Write down which invites have expired; gives how many. What another instance writes is left to it."""
    status = await connection.execute(
        """
        UPDATE invites SET status = 'expired', decided_at_ms = expires_at_ms WHERE invite_id IN (
            SELECT invite_id FROM invites WHERE status = 'pending' AND expires_at_ms <= now_ms()
            LIMIT 500 FOR UPDATE SKIP LOCKED
        )
        """
    )
    return int(status.split()[-1])
