"""HTTP requests in, one transaction each, HTTP answers out."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from msgspec import UNSET, Struct
from servicekit import logs
from servicekit.body import decode_json
from servicekit.http import Handler, Operation, Request, Response, json_response
from servicekit.postgres import Connection, Database

from lobby import applications, commands, games, invites, lifecycle, members, operations, settings, wire
from lobby.calls import ID, Call, Rules, caller, cause
from lobby.causes import Cause
from lobby.games import Game, lock, require_owner
from lobby.refusals import Code, refusal
from lobby.states import IllegalTransition

T = TypeVar("T")

Work = Callable[[Connection, Call], Awaitable[Struct]]
"""A public operation: what it does in its transaction."""
Move = Callable[[Connection, Game, Cause], Awaitable[Game]]
"""A transition of a locked game."""

_NOT_FOUND: Final[Mapping[str, Code]] = {
    "game_id": "game_not_found",
    "application_id": "application_not_found",
    "invite_id": "invite_not_found",
    "user_id": "member_not_found",
}
"""What a parameter of a path that is no identifier means: nothing can have that name."""

_log = logs.get("lobby.handlers")


def _transition(move: Move) -> Work:
    """The work of a transition that a game's owner asks for."""

    async def work(connection: Connection, call: Call) -> wire.Game:
        game = await lock(connection, call.ids["game_id"])
        await require_owner(connection, game, call.user_id)
        return (await move(connection, game, call.cause)).document()

    return work


PUBLIC: Final[Mapping[str, Work]] = {
    operations.CREATE_GAME.id: games.create,
    operations.LIST_GAMES.id: games.list_,
    operations.GET_GAME.id: games.get,
    operations.UPDATE_GAME.id: settings.update,
    operations.OPEN_ENROLLMENT.id: _transition(lifecycle.open_enrollment),
    operations.CLOSE_ENROLLMENT.id: _transition(lifecycle.close_enrollment),
    operations.START_GAME.id: _transition(lifecycle.start),
    operations.PAUSE_GAME.id: _transition(lifecycle.pause),
    operations.RESUME_GAME.id: _transition(lifecycle.resume),
    operations.FINISH_GAME.id: _transition(lifecycle.finish),
    operations.CANCEL_GAME.id: _transition(lifecycle.cancel),
    operations.SUBMIT_APPLICATION.id: applications.submit,
    operations.LIST_APPLICATIONS.id: applications.list_,
    operations.APPROVE_APPLICATION.id: applications.approve,
    operations.REJECT_APPLICATION.id: applications.reject,
    operations.WITHDRAW_APPLICATION.id: applications.withdraw,
    operations.CREATE_INVITE.id: invites.create,
    operations.LIST_INVITES.id: invites.list_,
    operations.ACCEPT_INVITE.id: invites.accept,
    operations.DECLINE_INVITE.id: invites.decline,
    operations.REVOKE_INVITE.id: invites.revoke,
    operations.JOIN_GAME.id: members.join,
    operations.LIST_MEMBERS.id: members.list_,
    operations.REMOVE_MEMBER.id: members.leave,
}
"""What each public operation does, whether it comes as REST or as a command."""

INTERNAL: Final[Mapping[str, Move]] = {
    operations.PAUSE_INTERNAL_GAME.id: lifecycle.pause,
    operations.RESUME_INTERNAL_GAME.id: lifecycle.resume,
    operations.FINISH_INTERNAL_GAME.id: lifecycle.finish,
    operations.CANCEL_INTERNAL_GAME.id: lifecycle.cancel,
}
"""What each of the game master's transitions does."""


class Handlers:
    """The handler of each operation."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules

    def routes(self) -> list[tuple[Operation, Handler]]:
        """Each operation with its handler. Without the database every one of them answers 503 `service_unavailable`."""
        return [
            *((operation, self._rest) for operation in operations.PUBLIC),
            (commands.EXECUTE, self._execute),
            (operations.GET_INTERNAL_GAME, self._internal_get),
            *(
                (operation, self._internal_move)
                for operation in operations.INTERNAL
                if operation is not operations.GET_INTERNAL_GAME
            ),
        ]

    async def _rest(self, request: Request) -> Response:
        user_id = caller(request.headers)
        operation = request.operation
        document: Any = None
        if operation.request is not None:
            document = await request.json(operation.request)
        elif operation.query is not None:
            document = request.query(operation.query)
        _check_ids(request.parameters)
        return await self._answer(request, operation, user_id, request.parameters, document)

    async def _execute(self, request: Request) -> Response:
        command = commands.COMMANDS.get(request.parameters["message_type"])
        if command is None:
            raise refusal("unknown_command", "lobby has no such command; openapi.yaml lists them.")
        user_id = caller(request.headers)
        ids, document = command.parts(decode_json(await request.body(), command.document))
        return await self._answer(request, command.public, user_id, ids, document)

    async def _answer(
        self, request: Request, operation: Operation, user_id: str, ids: Mapping[str, str], document: Any
    ) -> Response:
        call = Call(user_id, ids, document, cause(request, user_id), self._rules)
        work = PUBLIC[operation.id]
        answer = await self._transact(lambda connection: work(connection, call))
        if operation.method == "POST" and isinstance(answer, wire.Game):
            _log.info("game_changed", game_id=answer.game_id, status=answer.status, operation=operation.id)
        return json_response(answer, status=operation.status)

    async def _internal_get(self, request: Request) -> Response:
        _check_ids(request.parameters)
        game_id = request.parameters["game_id"]

        async def work(connection: Connection) -> wire.InternalGame:
            game = await games.find(connection, game_id)
            if game is None:
                raise games.not_found()
            return _internal_document(game, await members.all_of(connection, game_id))

        return json_response(await self._transact(work))

    async def _internal_move(self, request: Request) -> Response:
        _check_ids(request.parameters)
        game_id = request.parameters["game_id"]
        move = INTERNAL[request.operation.id]

        async def work(connection: Connection) -> wire.Game:
            game = await lock(connection, game_id)
            return (await move(connection, game, cause(request, None))).document()

        answer = await self._transact(work)
        _log.info("game_changed", game_id=game_id, status=answer.status, operation=request.operation.id)
        return json_response(answer)

    async def _transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            async with self._database.transaction() as connection:
                return await work(connection)
        except IllegalTransition as reason:
            raise refusal("conflict", str(reason)) from None


def _check_ids(parameters: Mapping[str, str]) -> None:
    for name, value in parameters.items():
        if ID.fullmatch(value) is None:
            what = re.sub(r"_id$", "", name)
            raise refusal(_NOT_FOUND[name], f"There is no such {what}.")


def _internal_document(game: Game, players: list[wire.Member]) -> wire.InternalGame:
    return wire.InternalGame(
        game=game.document(),
        members=players,
        start_attempt=game.start_attempt,
        start_requested_at_ms=_given(game.start_requested_at_ms),
        container_id=_given(game.container_id),
        engine_endpoint=_given(game.engine_endpoint),
        start_error_message=_given(game.start_error_message),
    )


def _given(value: Any) -> Any:
    return UNSET if value is None else value
