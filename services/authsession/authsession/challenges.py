"""Challenges: codes that were sent and wait to be confirmed. All of a challenge's life is in Redis, each step one script."""

import secrets
from dataclasses import dataclass
from typing import Final, Literal

from servicekit.redis import Redis, Script

from authsession import keys
from authsession.replies import texts
from authsession.sealing import Sealer, new_code

# KEYS: throttle, challenge, address block. ARGV: id, address hash, sealed address, code hash, locale, lifetime,
# retention after it, mail interval (ms each). Gives the id to answer with, and "deliver", "blocked" or "throttled".
_OPEN: Final = Script(
    keys.NOW
    + """
local current = redis.call('GET', KEYS[1])
if current then
  return {current, 'throttled'}
end
local now = now_ms()
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[8])
redis.call('HSET', KEYS[2], 'address_hash', ARGV[2], 'sealed_address', ARGV[3], 'code_hash', ARGV[4],
  'locale', ARGV[5], 'created_at_ms', now, 'expires_at_ms', string.format('%.0f', now + ARGV[6]), 'tries', 0)
redis.call('PEXPIRE', KEYS[2], ARGV[6] + ARGV[7])
return {ARGV[1], redis.call('EXISTS', KEYS[3]) == 1 and 'blocked' or 'deliver'}
"""
)

# KEYS: challenge. ARGV: whether the code is right (1 or 0), public key, tries allowed. The order of the checks is published.
_TRY: Final = Script(
    keys.NOW
    + f"""
local found = redis.call('HMGET', KEYS[1], 'expires_at_ms', 'tries', 'address_hash', 'session_id', 'public_key',
  'user_id', 'sealed_address', 'locale')
if not found[1] or (found[5] and found[5] ~= ARGV[2]) then
  return {{'challenge_not_found'}}
end
if tonumber(now_ms()) >= tonumber(found[1]) then
  return {{'challenge_expired'}}
end
if tonumber(found[2]) >= tonumber(ARGV[3]) then
  return {{'too_many_attempts'}}
end
if ARGV[1] ~= '1' then
  redis.call('HINCRBY', KEYS[1], 'tries', 1)
  return {{'invalid_code'}}
end
if redis.call('EXISTS', '{keys.ADDRESS_BLOCK}' .. found[3]) == 1 then
  return {{'blocked_by_policy'}}
end
if found[4] then
  if redis.call('EXISTS', '{keys.USER_BLOCK}' .. found[6]) == 1 then
    return {{'blocked_by_policy'}}
  end
  return {{'confirmed', found[4]}}
end
return {{'right', found[7], found[8], found[3]}}
"""
)

Refusal = Literal[
    "challenge_not_found",
    "challenge_expired",
    "too_many_attempts",
    "invalid_code",
    "blocked_by_policy",
    "session_limit_exceeded",
]
"""Why a confirm is refused: the published error codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The limits of challenges. Times in milliseconds.

    `retention_ms` is how much longer than its code a challenge is remembered, so that a late confirm learns that it is
    late; never less than the mail interval, or a throttled address would get the id of a forgotten challenge.
    """

    code_ttl_ms: int
    send_interval_ms: int
    max_tries: int
    retention_ms: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The challenge to answer with, and the code to send when there is one to be sent."""

    challenge_id: str
    code: str | None


@dataclass(frozen=True, slots=True)
class Right:
    """The code was right: whose challenge it is."""

    address: str
    address_hash: str
    locale: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The code was right, and the challenge was confirmed with the same key before: the session it gave."""

    device_session_id: str


class Challenges:
    """The challenges in `redis`. Every method raises servicekit's RedisError."""

    def __init__(self, redis: Redis, sealer: Sealer, rules: Rules) -> None:
        self._redis = redis
        self._sealer = sealer
        self._rules = rules

    async def open(self, address: str, locale: str) -> Opened:
        """A challenge for a normalised address; the one it has when its last mail is younger than the mail interval."""
        challenge_id, code = f"c_{secrets.token_urlsafe(18)}", new_code()
        address_hash = self._sealer.hash_address(address)
        reply = await self._redis.run(
            _OPEN,
            keys=[
                keys.THROTTLE + address_hash,
                keys.CHALLENGE + challenge_id,
                keys.ADDRESS_BLOCK + address_hash,
            ],
            arguments=[
                challenge_id,
                address_hash,
                self._sealer.seal(challenge_id, address),
                self._sealer.hash_code(challenge_id, code),
                locale,
                self._rules.code_ttl_ms,
                max(self._rules.retention_ms, self._rules.send_interval_ms),
                self._rules.send_interval_ms,
            ],
        )
        current, verdict = texts(reply)
        return Opened(current, code if verdict == "deliver" else None)

    async def attempt(self, challenge_id: str, code: str, public_key: str) -> Right | Confirmed | Refusal:
        """Tries `code`. A wrong one takes a try; at no time do more than `max_tries` get an answer about their code.

        The hash of a challenge's code never changes, so that it may be read and compared, in constant time, outside of
        the script that judges and counts: of many simultaneous tries the script admits as many as are left.
        """
        key = keys.CHALLENGE + challenge_id
        stored = await self._redis.execute("HGET", key, "code_hash")
        expected = stored.decode() if isinstance(stored, bytes) else ""
        matches = self._sealer.same(self._sealer.hash_code(challenge_id, code), expected)
        reply = await self._redis.run(
            _TRY, keys=[key], arguments=[int(matches), public_key, self._rules.max_tries]
        )
        match texts(reply):
            case ["right", sealed, locale, address_hash]:
                return Right(self._sealer.unseal(challenge_id, sealed), address_hash, locale)
            case ["confirmed", device_session_id]:
                return Confirmed(device_session_id)
            case [
                "challenge_not_found"
                | "challenge_expired"
                | "too_many_attempts"
                | "invalid_code"
                | "blocked_by_policy" as refusal
            ]:
                return refusal
            case other:
                raise TypeError(f"the script of a try gave {len(other)} values")
