"""HTTP requests in, domain calls, HTTP answers out."""

from collections.abc import Callable

from msgspec import UNSET
from servicekit.body import invalid
from servicekit.errors import ApiError
from servicekit.http import Handler, Operation, Request, Response, json_response
from servicekit.postgres import Database

from notification import intent_states, operations, wire
from notification.catalogue import Channel
from notification.dead_letters import (
    AlreadyResolved,
    DeadLetterNotFound,
    DeadLetters,
    InvalidCursor,
    Resolution,
)


class Handlers:
    """The handler of each operation. Without the database the router answers 503 `service_unavailable`."""

    def __init__(
        self, database: Database, dead_letters: DeadLetters, wake: Callable[[Channel], None]
    ) -> None:
        """`wake` tells a channel's lane that there is something to do."""
        self._database = database
        self._dead_letters = dead_letters
        self._wake = wake

    def routes(self) -> list[tuple[Operation, Handler]]:
        """Each operation with its handler."""
        return [
            (operations.GET_INTENT, self._get_intent),
            (operations.LIST_DEAD_LETTERS, self._list_dead_letters),
            (operations.GET_DEAD_LETTER, self._get_dead_letter),
            (operations.REPLAY_DEAD_LETTER, self._replay_dead_letter),
            (operations.DISCARD_DEAD_LETTER, self._discard_dead_letter),
        ]

    async def _get_intent(self, request: Request) -> Response:
        key = request.parameters["idempotency_key"]
        # Postgres takes no NUL in a text; no key that was ever accepted has one.
        intent = None if "\0" in key else await intent_states.find(self._database, key)
        if intent is None:
            raise ApiError(404, "intent_not_found", "There is no intent with this key, or no longer.")
        return json_response(intent)

    async def _list_dead_letters(self, request: Request) -> Response:
        query = request.query(wire.DeadLetterQuery)
        if query.notification_type is not UNSET and "\0" in query.notification_type:
            raise invalid("notification_type has a NUL character.")
        try:
            found, cursor = await self._dead_letters.page(query)
        except InvalidCursor:
            raise invalid("cursor is not the next_cursor of a page.") from None
        return json_response(wire.DeadLetterPage(dead_letters=found, next_cursor=cursor or UNSET))

    async def _get_dead_letter(self, request: Request) -> Response:
        try:
            return json_response(await self._dead_letters.get(_dead_letter_id(request)))
        except DeadLetterNotFound:
            raise _not_found() from None

    async def _replay_dead_letter(self, request: Request) -> Response:
        document = await request.json(wire.ResolutionRequest)
        new, dead_letter = await self._resolve(
            request, Resolution("replayed", document.actor, document.reason_code)
        )
        if new:
            self._wake(dead_letter.channel)
        return json_response(
            wire.ReplayResponse(outcome="replayed" if new else "already_replayed", dead_letter=dead_letter)
        )

    async def _discard_dead_letter(self, request: Request) -> Response:
        document = await request.json(wire.ResolutionRequest)
        new, dead_letter = await self._resolve(
            request, Resolution("discarded", document.actor, document.reason_code)
        )
        return json_response(
            wire.DiscardResponse(outcome="discarded" if new else "already_discarded", dead_letter=dead_letter)
        )

    async def _resolve(self, request: Request, resolution: Resolution) -> tuple[bool, wire.DeadLetter]:
        try:
            return await self._dead_letters.resolve(_dead_letter_id(request), resolution)
        except DeadLetterNotFound:
            raise _not_found() from None
        except AlreadyResolved as error:
            raise ApiError(409, "conflict", f"The dead letter was {error} before.") from None


def _dead_letter_id(request: Request) -> str:
    dead_letter_id = request.parameters["dead_letter_id"]
    if "\0" in dead_letter_id:
        raise _not_found()
    return dead_letter_id


def _not_found() -> ApiError:
    return ApiError(404, "dead_letter_not_found", "There is no such dead letter, or no longer.")
