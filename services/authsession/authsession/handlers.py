"""HTTP requests in, domain calls, HTTP answers out."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import UNSET
from servicekit import logs
from servicekit.errors import ApiError
from servicekit.http import Handler, Operation, Request, Response, json_response
from servicekit.redis import RedisUnavailable

from authsession import operations, wire
from authsession.address import InvalidAddressError, normalise
from authsession.blocks import Block, Blocks
from authsession.language import negotiate
from authsession.sessions import InvalidCursorError, Sessions
from authsession.signin import SignIn, unavailable

_log = logs.get("authsession.handlers")

_ID: Final = re.compile(r"[!-.0-~]{1,128}")


class Handlers:
    """The handler of each operation."""

    def __init__(
        self, *, sign_in: SignIn, sessions: Sessions, blocks: Blocks, locales: Sequence[str]
    ) -> None:
        self._sign_in = sign_in
        self._sessions = sessions
        self._blocks = blocks
        self._locales = locales

    def routes(self) -> list[tuple[Operation, Handler]]:
        """Each operation with its handler. Without Redis every one of them answers 503 `service_unavailable`."""
        handlers: list[tuple[Operation, Handler]] = [
            (operations.SEND_EMAIL_CODE, self._send_email_code),
            (operations.CONFIRM_EMAIL_CODE, self._confirm_email_code),
            (operations.GET_SESSION, self._get_session),
            (operations.LIST_USER_SESSIONS, self._list_user_sessions),
            (operations.REVOKE_SESSION, self._revoke_session),
            (operations.REVOKE_ALL_USER_SESSIONS, self._revoke_all_user_sessions),
            (operations.CREATE_USER_BLOCK, self._create_user_block),
        ]
        return [(operation, _failing_closed(handler)) for operation, handler in handlers]

    async def _send_email_code(self, request: Request) -> Response:
        document = await request.json(wire.SendEmailCodeRequest)
        address = _address(document.email)
        locale = negotiate(", ".join(request.headers.all("accept-language")), self._locales)
        challenge_id = await self._sign_in.send_code(address, locale)
        return json_response(wire.SendEmailCodeResponse(challenge_id=challenge_id))

    async def _confirm_email_code(self, request: Request) -> Response:
        document = await request.json(wire.ConfirmEmailCodeRequest)
        device_session_id = await self._sign_in.confirm(document)
        return json_response(wire.ConfirmEmailCodeResponse(device_session_id=device_session_id))

    async def _get_session(self, request: Request) -> Response:
        session = await self._sessions.get(_session_id(request))
        if session is None:
            raise _session_not_found()
        return json_response(session)

    async def _list_user_sessions(self, request: Request) -> Response:
        query = request.query(wire.SessionPageQuery)
        cursor = None if query.cursor is UNSET else query.cursor
        try:
            page = await self._sessions.page(_user_id(request), query.page_size, cursor)
        except InvalidCursorError:
            raise ApiError(400, "invalid_request", "cursor is not the next_cursor of a page.") from None
        return json_response(wire.SessionPage(sessions=page.sessions, next_cursor=page.next_cursor or UNSET))

    async def _revoke_session(self, request: Request) -> Response:
        document = await request.json(wire.RevocationRequest)
        revoked = await self._sessions.revoke(_session_id(request), document.reason_code, document.actor)
        if revoked is None:
            raise _session_not_found()
        new, session = revoked
        if new:
            _log.info(
                "session_revoked",
                device_session_id=session.device_session_id,
                user_id=session.user_id,
                reason_code=document.reason_code,
                actor=document.actor,
            )
        return json_response(
            wire.RevokeSessionResponse(outcome="revoked" if new else "already_revoked", session=session)
        )

    async def _revoke_all_user_sessions(self, request: Request) -> Response:
        document = await request.json(wire.RevocationRequest)
        user_id = _user_id(request)
        count = await self._sessions.revoke_all(user_id, document.reason_code, document.actor)
        if count:
            _log.info(
                "user_sessions_revoked",
                user_id=user_id,
                count=count,
                reason_code=document.reason_code,
                actor=document.actor,
            )
        return json_response(wire.RevokeAllSessionsResponse(user_id=user_id, revoked_count=count))

    async def _create_user_block(self, request: Request) -> Response:
        document = await request.json(wire.UserBlockRequest)
        reason, actor = document.reason_code, document.actor
        if document.user_id is not UNSET and document.email is UNSET:
            block = await self._blocks.block_user(document.user_id, reason, actor)
            _log_block(block, user_id=document.user_id)
        elif document.email is not UNSET and document.user_id is UNSET:
            block = await self._blocks.block_address(_address(document.email), reason, actor)
            _log_block(block)
        else:
            raise ApiError(400, "invalid_request", "Give exactly one of user_id and email.")
        return json_response(
            wire.UserBlockResponse(
                outcome="blocked" if block.new else "already_blocked",
                subject="email" if document.user_id is UNSET else "user_id",
                reason_code=block.reason_code,
                actor=block.actor,
                blocked_at_ms=block.blocked_at_ms,
                revoked_count=block.revoked_count,
            )
        )


def _failing_closed(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except RedisUnavailable:
            raise unavailable("The session store does not answer; repeat it later.") from None

    return handle


def _log_block(block: Block, **subject: str) -> None:
    if block.new:
        event = "user_blocked" if subject else "address_blocked"
        _log.info(
            event,
            reason_code=block.reason_code,
            actor=block.actor,
            revoked_count=block.revoked_count,
            **subject,
        )


def _address(text: str) -> str:
    try:
        return normalise(text)
    except InvalidAddressError as error:
        raise ApiError(400, "invalid_request", f"email is not an e-mail address: {error}.") from None


def _session_id(request: Request) -> str:
    device_session_id = request.parameters["device_session_id"]
    if _ID.fullmatch(device_session_id) is None:
        raise _session_not_found()
    return device_session_id


def _user_id(request: Request) -> str:
    user_id = request.parameters["user_id"]
    if _ID.fullmatch(user_id) is None:
        raise ApiError(
            400, "invalid_request", "user_id is not 1 to 128 characters of visible ASCII without '/'."
        )
    return user_id


def _session_not_found() -> ApiError:
    return ApiError(404, "session_not_found", "There is no such session.")
