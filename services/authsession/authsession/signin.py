"""Sign-in: a code by mail, and a session for who knows it."""

from dataclasses import dataclass
from typing import Final

from servicekit import logs
from servicekit.errors import ApiError

from authsession import publickey, timezones
from authsession.challenges import Challenges, Confirmed, Refusal, Right
from authsession.delivery import Deliveries, QueueFullError
from authsession.mail import LoginCode
from authsession.sessions import Created, Sessions
from authsession.users import Users, UserServiceError
from authsession.wire import ConfirmEmailCodeRequest

_log = logs.get("authsession.signin")

_REFUSALS: Final[dict[Refusal, tuple[int, str]]] = {
    "challenge_not_found": (404, "There is no such challenge; ask for a new code."),
    "challenge_expired": (410, "The code has expired; ask for a new one."),
    "too_many_attempts": (429, "Too many wrong codes; ask for a new one."),
    "invalid_code": (400, "The code is wrong."),
    "blocked_by_policy": (403, "This sign-in is blocked."),
    "session_limit_exceeded": (409, "The user has as many active sessions as allowed; revoke one of them."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """The two public operations. Their errors are ApiError; servicekit's RedisError goes through."""

    challenges: Challenges
    sessions: Sessions
    users: Users
    deliveries: Deliveries

    async def send_code(self, address: str, locale: str) -> str:
        """The id of a challenge for a normalised address; its code goes out in the background if it may.

        A place in the mail queue is taken whether or not there will be a mail: a full queue says nothing about an address.
        """
        try:
            place = self.deliveries.reserve()
        except QueueFullError:
            raise unavailable("Too many mails wait to be sent; repeat it later.") from None
        with place:
            opened = await self.challenges.open(address, locale)
            if opened.code is not None:
                place.send(LoginCode(address, opened.code, locale, opened.challenge_id))
        return opened.challenge_id

    async def confirm(self, request: ConfirmEmailCodeRequest) -> str:
        """The id of the session; the published order of checks is in `operations`."""
        try:
            publickey.parse(request.client_public_key)
        except publickey.InvalidPublicKeyError as error:
            message = f"client_public_key is not an Ed25519 public key: {error}."
            raise ApiError(400, "invalid_client_public_key", message) from None
        if not timezones.is_known(request.time_zone):
            raise ApiError(
                400, "invalid_time_zone", "time_zone is not an IANA time zone, such as Europe/Berlin."
            )
        attempt = await self.challenges.attempt(request.challenge_id, request.code, request.client_public_key)
        match attempt:
            case Right():
                return await self._open_session(request, attempt)
            case Confirmed():
                return attempt.device_session_id
            case refusal:
                raise _refused(refusal)

    async def _open_session(self, request: ConfirmEmailCodeRequest, right: Right) -> str:
        try:
            user = await self.users.resolve(right.address, right.locale, request.time_zone)
        except UserServiceError:
            raise unavailable(
                "The user service does not answer; repeat it later, the code stays good."
            ) from None
        if user.status == "blocked":
            raise _refused("blocked_by_policy")
        created = await self.sessions.create(
            request.challenge_id,
            right,
            user_id=user.user_id,
            public_key=request.client_public_key,
            time_zone=request.time_zone,
        )
        if not isinstance(created, Created):
            raise _refused(created)
        if created.new:
            _log.info("session_created", device_session_id=created.device_session_id, user_id=user.user_id)
        return created.device_session_id


def unavailable(message: str) -> ApiError:
    """503 `service_unavailable`."""
    return ApiError(503, "service_unavailable", message)


def _refused(refusal: Refusal) -> ApiError:
    status, message = _REFUSALS[refusal]
    return ApiError(status, refusal, message)
