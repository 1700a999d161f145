"""Blocks of users and of e-mail addresses. They hold until Redis forgets them: nothing lifts a block."""

from dataclasses import dataclass
from typing import Final

from servicekit.redis import Redis, Script

from authsession import keys
from authsession.replies import texts
from authsession.sealing import Sealer

# KEYS: block. ARGV: reason, actor, then for a user's block: user, retention, stream length.
# Gives "blocked" or "already_blocked", reason, actor, time, revoked sessions.
_BLOCK: Final = Script(
    keys.NOW
    + keys.PUBLISH
    + keys.REVOKE
    + """
local now = now_ms()
local outcome = 'already_blocked'
if redis.call('EXISTS', KEYS[1]) == 0 then
  outcome = 'blocked'
  redis.call('HSET', KEYS[1], 'reason_code', ARGV[1], 'actor', ARGV[2], 'blocked_at_ms', now)
end
local block = redis.call('HMGET', KEYS[1], 'reason_code', 'actor', 'blocked_at_ms')
local revoked = 0
if ARGV[3] then
  revoked = revoke_all(ARGV[3], now, block[1], block[2], ARGV[4], ARGV[5])
end
return {outcome, block[1], block[2], block[3], tostring(revoked)}
"""
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block in force; `new` when this call made it. `blocked_at_ms`: Unix milliseconds."""

    new: bool
    reason_code: str
    actor: str
    blocked_at_ms: int
    revoked_count: int


class Blocks:
    """The blocks in `redis`. Every method raises servicekit's RedisError."""

    def __init__(self, redis: Redis, sealer: Sealer, *, revoked_retention_ms: int, max_events: int) -> None:
        self._redis = redis
        self._sealer = sealer
        self._keeping = (revoked_retention_ms, max_events)

    async def block_user(self, user_id: str, reason: str, actor: str) -> Block:
        """Blocks a user and revokes his active sessions in the same step."""
        return await self._block(keys.USER_BLOCK + user_id, reason, actor, user_id, *self._keeping)

    async def block_address(self, address: str, reason: str, actor: str) -> Block:
        """Blocks a normalised e-mail address: no mail, no session."""
        return await self._block(keys.ADDRESS_BLOCK + self._sealer.hash_address(address), reason, actor)

    async def _block(self, key: str, *arguments: str | int) -> Block:
        outcome, reason, actor, at, revoked = texts(
            await self._redis.run(_BLOCK, keys=[key], arguments=list(arguments))
        )
        return Block(outcome == "blocked", reason, actor, int(at), int(revoked))
