"""Device sessions: their truth in Redis, and the projection and stream entry that are written in the same step."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from typing import Final

import msgspec
from servicekit.redis import Redis, Script

from authsession import keys
from authsession.challenges import Refusal, Right
from authsession.replies import fields, number, texts
from authsession.wire import Session

# KEYS: challenge, sequence. ARGV: session id, user, public key, time zone, address hash, session limit, stream length.
# Everything that a refusal rests on is judged again here: it may have changed while the user service was asked.
_CREATE: Final = Script(
    keys.NOW
    + keys.PUBLISH
    + f"""
local id, user, key = ARGV[1], ARGV[2], ARGV[3]
local found = redis.call('HMGET', KEYS[1], 'created_at_ms', 'session_id', 'public_key')
if not found[1] or (found[3] and found[3] ~= key) then
  return {{'challenge_not_found'}}
end
if redis.call('EXISTS', '{keys.ADDRESS_BLOCK}' .. ARGV[5], '{keys.USER_BLOCK}' .. user) > 0 then
  return {{'blocked_by_policy'}}
end
if found[2] then
  return {{'existing', found[2]}}
end
local active, all = '{keys.USER_ACTIVE}' .. user, '{keys.USER_SESSIONS}' .. user
if redis.call('ZCARD', active) >= tonumber(ARGV[6]) then
  return {{'session_limit_exceeded'}}
end
local sequence = redis.call('INCR', KEYS[2])
redis.call('HSET', '{keys.SESSION}' .. id, 'device_session_id', id, 'user_id', user, 'status', 'active',
  'client_public_key', key, 'time_zone', ARGV[4], 'created_at_ms', now_ms(), 'version', 1)
redis.call('ZADD', active, sequence, id)
redis.call('ZADD', all, sequence, id)
redis.call('PERSIST', all)
redis.call('HSET', KEYS[1], 'session_id', id, 'public_key', key, 'user_id', user)
publish(id, 'session.created', ARGV[7])
-- Revoked sessions expire by themselves, their places in the list do not: each new session takes the place of old ones.
for _, old in ipairs(redis.call('ZRANGE', all, 0, ARGV[6] + 16)) do
  if redis.call('EXISTS', '{keys.SESSION}' .. old) == 0 then
    redis.call('ZREM', all, old)
  end
end
return {{'created', id}}
"""
)

# KEYS: the user's sessions. ARGV: highest place in the order ("+inf" or "(" and a number), how many.
# Gives a list of {place, fields}, newest first. Places whose session has expired are cleared away.
_PAGE: Final = Script(
    f"""
local highest, wanted, page = ARGV[1], tonumber(ARGV[2]), {{}}
while #page < wanted do
  local places = redis.call('ZRANGE', KEYS[1], highest, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, wanted, 'WITHSCORES')
  if #places == 0 then
    break
  end
  for index = 1, #places, 2 do
    local fields = redis.call('HGETALL', '{keys.SESSION}' .. places[index])
    if #fields == 0 then
      redis.call('ZREM', KEYS[1], places[index])
    elseif #page < wanted then
      page[#page + 1] = {{places[index + 1], fields}}
    end
    highest = '(' .. places[index + 1]
  end
end
return page
"""
)

# ARGV: session id, reason, actor, retention, stream length. Gives {1 or 0 for "this call revoked it", fields}.
_REVOKE: Final = Script(
    keys.NOW
    + keys.PUBLISH
    + keys.REVOKE
    + f"""
local done = revoke(ARGV[1], now_ms(), ARGV[2], ARGV[3], ARGV[4], ARGV[5])
return {{done and 1 or 0, redis.call('HGETALL', '{keys.SESSION}' .. ARGV[1])}}
"""
)

# ARGV: user, reason, actor, retention, stream length. Gives how many.
_REVOKE_ALL: Final = Script(
    keys.NOW
    + keys.PUBLISH
    + keys.REVOKE
    + """
return revoke_all(ARGV[1], now_ms(), ARGV[2], ARGV[3], ARGV[4], ARGV[5])
"""
)

_CURSOR_PREFIX: Final = "s1."


class InvalidCursorError(ValueError):
    """A cursor that no page has given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The limits of sessions: active ones a user may have; milliseconds that a revoked one is kept; stream entries kept."""

    max_per_user: int
    revoked_retention_ms: int
    max_events: int


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions, newest first, and the cursor of the next page; None on the last."""

    sessions: list[Session]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Created:
    """The session of a confirmed challenge; `new` unless an earlier confirm with the same key created it."""

    device_session_id: str
    new: bool


class Sessions:
    """The sessions in `redis`. Every method raises servicekit's RedisError."""

    def __init__(self, redis: Redis, rules: Rules) -> None:
        self._redis = redis
        self._rules = rules

    async def create(
        self, challenge_id: str, right: Right, *, user_id: str, public_key: str, time_zone: str
    ) -> Created | Refusal:
        """The session of a challenge whose code was right. Of several confirms at the same time one creates it."""
        reply = await self._redis.run(
            _CREATE,
            keys=[keys.CHALLENGE + challenge_id, keys.SEQUENCE],
            arguments=[
                f"s_{secrets.token_urlsafe(18)}",
                user_id,
                public_key,
                time_zone,
                right.address_hash,
                self._rules.max_per_user,
                self._rules.max_events,
            ],
        )
        match texts(reply):
            case ["created" | "existing" as verdict, device_session_id]:
                return Created(device_session_id, verdict == "created")
            case ["challenge_not_found" | "blocked_by_policy" | "session_limit_exceeded" as refusal]:
                return refusal
            case other:
                raise TypeError(f"the script of a creation gave {len(other)} values")

    async def get(self, device_session_id: str) -> Session | None:
        """One session, or None."""
        return _session(await self._redis.execute("HGETALL", keys.SESSION + device_session_id))

    async def page(self, user_id: str, size: int, cursor: str | None) -> Page:
        """`size` sessions of a user after `cursor`. Raises InvalidCursorError."""
        highest = "+inf" if cursor is None else f"({_place(cursor)}"
        reply = await self._redis.run(
            _PAGE, keys=[keys.USER_SESSIONS + user_id], arguments=[highest, size + 1]
        )
        if not isinstance(reply, list):
            raise TypeError(f"expected a list from Redis, got {type(reply).__name__}")
        sessions = [session for _, flat in reply if (session := _session(flat)) is not None]
        more = len(reply) > size
        return Page(sessions[:size], _cursor(int(reply[size - 1][0])) if more else None)

    async def revoke(self, device_session_id: str, reason: str, actor: str) -> tuple[bool, Session] | None:
        """Revokes a session: whether this call did it, and the session as it is now. None: there is no such session."""
        reply = await self._redis.run(
            _REVOKE, keys=[], arguments=[device_session_id, reason, actor, *self._keeping]
        )
        if not isinstance(reply, list) or len(reply) != 2:
            raise TypeError("the script of a revocation gave something else than two values")
        session = _session(reply[1])
        return None if session is None else (reply[0] == 1, session)

    async def revoke_all(self, user_id: str, reason: str, actor: str) -> int:
        """Revokes every active session of a user: how many."""
        reply = await self._redis.run(
            _REVOKE_ALL, keys=[], arguments=[user_id, reason, actor, *self._keeping]
        )
        return number(reply)

    @property
    def _keeping(self) -> tuple[int, int]:
        return self._rules.revoked_retention_ms, self._rules.max_events


def _session(reply: object) -> Session | None:
    found = fields(reply)
    return msgspec.convert(found, Session, strict=False) if found else None


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(f"{_CURSOR_PREFIX}{place}".encode()).rstrip(b"=").decode()


def _place(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        place = int(text.removeprefix(_CURSOR_PREFIX))
    except (binascii.Error, ValueError):
        raise InvalidCursorError from None
    if place < 1 or _cursor(place) != cursor:
        raise InvalidCursorError
    return place
