"""Applications: how users come into a public game."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET
from servicekit.postgres import Connection, Record

from lobby import intents, members, races, wire
from lobby.calls import Call
from lobby.games import Game, find, hold, lock, new_id, not_found, require_owner, require_visible
from lobby.paging import page, position
from lobby.refusals import refusal


def _document(row: Record) -> wire.Application:
    return wire.Application(
        application_id=row["application_id"],
        game_id=row["game_id"],
        user_id=row["user_id"],
        race_name=row["race_name"],
        status=row["status"],
        created_at_ms=row["created_at_ms"],
        decided_at_ms=UNSET if row["decided_at_ms"] is None else row["decided_at_ms"],
    )


async def submit(connection: Connection, call: Call) -> wire.Application:
    """A user asks to join; his race name is reserved. The owner is told."""
    body: wire.SubmitApplicationRequest = call.document
    race_name = races.chosen_race(body.race_name)
    # Held, not locked: applicants do not wait for each other, unless they want the same name.
    game = await hold(connection, call.ids["game_id"])
    await require_visible(connection, game, call.user_id)
    if game.visibility != "public":
        raise refusal("conflict", "A private game takes invited users, not applications.")
    if game.owner_user_id == call.user_id:
        raise refusal("conflict", "The owner joins his own game directly, as a member.")
    members.require_enrollment(game)
    await races.reserve(connection, game.game_id, call.user_id, race_name)
    row = await connection.fetchrow(
        "INSERT INTO applications (application_id, game_id, user_id, race_name, status)"
        " VALUES ($1, $2, $3, $4, 'pending') RETURNING *",
        new_id("a"),
        game.game_id,
        call.user_id,
        race_name,
    )
    if row is None:
        raise RuntimeError("INSERT gave no row")
    application = _document(row)
    await intents.tell(
        connection,
        call.cause,
        "application_submitted",
        application.application_id,
        game,
        [game.owner_user_id],
        applicant_user_id=call.user_id,
        race_name=race_name,
    )
    return application


async def list_(connection: Connection, call: Call) -> wire.ApplicationPage:
    """A game's applications: all for its owner, their own for others."""
    query: wire.ApplicationPageQuery = call.document
    game = await find(connection, call.ids["game_id"])
    if game is None:
        raise not_found()
    await require_visible(connection, game, call.user_id)
    rows = await connection.fetch(
        "SELECT * FROM applications WHERE game_id = $1 AND ($2::text IS NULL OR user_id = $2)"
        " AND ($3::text IS NULL OR status = $3) AND ($4::bigint IS NULL OR position < $4)"
        " ORDER BY position DESC LIMIT $5",
        game.game_id,
        None if game.owner_user_id == call.user_id else call.user_id,
        None if query.status is UNSET else query.status,
        position(query.cursor),
        query.page_size + 1,
    )
    found, cursor = page(rows, query.page_size, _document)
    return wire.ApplicationPage(applications=found, next_cursor=cursor)


async def _pending(
    connection: Connection, game: Game, call: Call, may: Callable[[wire.Application], Any]
) -> wire.Application:
    """Lock an application, after the game that it is for. `may` raises if the caller may not decide it."""
    row = await connection.fetchrow(
        "SELECT * FROM applications WHERE application_id = $1 AND game_id = $2 FOR UPDATE",
        call.ids["application_id"],
        game.game_id,
    )
    if row is None:
        raise refusal("application_not_found", "There is no such application to this game.")
    application = _document(row)
    may(application)
    if application.status != "pending":
        raise refusal("conflict", f"The application is {application.status} already.")
    return application


async def _decide(
    connection: Connection, application: wire.Application, status: wire.ApplicationStatus
) -> wire.Application:
    row = await connection.fetchrow(
        "UPDATE applications SET status = $2, decided_at_ms = now_ms() WHERE application_id = $1 RETURNING *",
        application.application_id,
        status,
    )
    if row is None:
        raise RuntimeError("a locked application is gone")
    return _document(row)


async def approve(connection: Connection, call: Call) -> wire.Application:
    """The owner makes the applicant a member; the applicant is told. A game that is full then closes its enrolment."""
    game = await lock(connection, call.ids["game_id"])
    await require_owner(connection, game, call.user_id)
    application = await _pending(connection, game, call, lambda _: None)
    members.require_enrollment(game)
    application = await _decide(connection, application, "approved")
    game, _ = await members.add(connection, game, application.user_id, application.race_name)
    await intents.tell(
        connection,
        call.cause,
        "application_approved",
        application.application_id,
        game,
        [application.user_id],
        race_name=application.race_name,
    )
    await members.close_if_full(connection, game, call.cause)
    return application


async def reject(connection: Connection, call: Call) -> wire.Application:
    """The owner turns the applicant down, who is told; the race name is free again."""
    game = await hold(connection, call.ids["game_id"])
    await require_owner(connection, game, call.user_id)
    application = await _pending(connection, game, call, lambda _: None)
    application = await _decide(connection, application, "rejected")
    await races.release(connection, game.game_id, application.user_id)
    await intents.tell(
        connection,
        call.cause,
        "application_rejected",
        application.application_id,
        game,
        [application.user_id],
        race_name=application.race_name,
    )
    return application


async def withdraw(connection: Connection, call: Call) -> wire.Application:
    """The applicant takes his application back; the race name is free again."""
    game = await hold(connection, call.ids["game_id"])
    await require_visible(connection, game, call.user_id)

    def may(application: wire.Application) -> None:
        if application.user_id == call.user_id:
            return
        if game.owner_user_id == call.user_id:
            raise refusal("forbidden", "Only the applicant may withdraw his application; reject it.")
        raise refusal("application_not_found", "There is no such application to this game.")

    application = await _pending(connection, game, call, may)
    application = await _decide(connection, application, "withdrawn")
    await races.release(connection, game.game_id, application.user_id)
    return application
