"""Check 2: the session as authsession projects it into Redis, read for every call and never cached."""

from dataclasses import dataclass
from typing import Final, Literal

from servicekit import logs
from servicekit.redis import Redis, RedisError, RedisReplyError

from gateway.envelope import ID_PATTERN
from gateway.rejection import Rejection
from gateway.signing import decode_key

log = logs.get("gateway.sessions")

KEY_PREFIX: Final = "gateway:session:"
FIELDS: Final = ("device_session_id", "user_id", "status", "client_public_key")


@dataclass(frozen=True, slots=True)
class Session:
    """A session that is known: whose it is, with which key it signs, and whether it still may."""

    device_session_id: str
    user_id: str
    status: Literal["active", "revoked"]
    public_key: bytes


class MalformedProjection(ValueError):
    """The stored session breaks the contract with its writer; the message names the field, never a value."""


class SessionStore:
    """Reads `gateway:session:{id}` (api/streams.schema.json, `session`)."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def active(self, device_session_id: str) -> Session:
        """The active session with this id.

        Raises Rejection: `unknown_session`, `session_revoked`, and `session_store_unavailable` when Redis does not
        answer in time or what it holds cannot be understood.
        """
        try:
            values = await self._redis.execute("HMGET", KEY_PREFIX + device_session_id, *FIELDS)
        except RedisError as error:
            raise store_unavailable(error) from None
        session = self._read(device_session_id, values)
        if session is None:
            raise Rejection("unknown_session", "there is no such session")
        if session.status == "revoked":
            raise Rejection("session_revoked", "the session has been revoked")
        return session

    async def inactive(self, device_session_ids: list[str]) -> list[str]:
        """Those of `device_session_ids` that are unknown or revoked now. Raises RedisError."""
        replies = await self._redis.pipeline(
            [("HMGET", KEY_PREFIX + session_id, *FIELDS) for session_id in device_session_ids]
        )
        ended: list[str] = []
        for session_id, values in zip(device_session_ids, replies, strict=True):
            try:
                session = self._read(session_id, values)
            except Rejection:
                # Not readable is not active: a stream that is open goes on only for a session known to be good.
                session = None
            if session is None or session.status != "active":
                ended.append(session_id)
        return ended

    def _read(self, device_session_id: str, values: object) -> Session | None:
        try:
            return read_projection(device_session_id, values)
        except MalformedProjection as problem:
            log.error("session_projection_malformed", reason=str(problem))  # noqa: TRY400 - the reason says it all
            raise store_unavailable() from None


def read_projection(device_session_id: str, values: object) -> Session | None:
    """The session in the HMGET reply `values` for FIELDS, None where there is none. Raises MalformedProjection."""
    if not isinstance(values, list) or len(values) != len(FIELDS):
        raise MalformedProjection("the reply is not a list of the fields asked for")
    if all(value is None for value in values):
        return None
    texts: dict[str, str] = {}
    for field, value in zip(FIELDS, values, strict=True):
        try:
            texts[field] = value.decode("ascii")
        except (AttributeError, UnicodeDecodeError):
            raise MalformedProjection(f"{field} is missing or not ASCII") from None
    if texts["device_session_id"] != device_session_id:
        raise MalformedProjection("device_session_id is not the one in the key")
    if ID_PATTERN.fullmatch(texts["user_id"]) is None:
        raise MalformedProjection("user_id is not 1 to 128 printable ASCII characters")
    try:
        key = decode_key(texts["client_public_key"])
    except ValueError as error:
        raise MalformedProjection(f"client_public_key: {error}") from None
    match texts["status"]:
        case "active" | "revoked" as status:
            return Session(device_session_id, texts["user_id"], status, key)
        case _:
            raise MalformedProjection("status is neither active nor revoked")


def store_unavailable(error: RedisError | None = None) -> Rejection:
    """The answer when Redis cannot be asked: closed, whatever the reason.

    An outage is reported by the client's watcher; a refused command is a defect, ours or of who wrote the key.
    """
    if isinstance(error, RedisReplyError):
        log.error("session_store_refused", reason=error.code)
    return Rejection("session_store_unavailable", "sessions cannot be checked at the moment; try again later")
