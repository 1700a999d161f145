"""The lease of a game: who may work on it now, among all instances.

The lease is a key in Redis that ends by itself; its holder renews it. Its token comes from Postgres and only grows; Postgres
refuses what an older token would write (see journal.py), so that a holder who was stopped for longer than his lease does no harm.
"""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

from servicekit import logs
from servicekit.metrics import Registry
from servicekit.postgres import Database
from servicekit.redis import Redis, RedisError, Script

_log = logs.get("rtmanager.leases")

# A lease of this instance's former life is taken over: two instances never have the same name at the same time.
_TAKE: Final = Script("""
local held = redis.call('GET', KEYS[1])
if held then
  local instance, life = string.match(held, '^(.-)/(.-)/')
  if instance ~= ARGV[1] or life == ARGV[2] then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1] .. '/' .. ARGV[2] .. '/' .. ARGV[3], 'PX', ARGV[4])
return 1
""")
_RENEW: Final = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
""")
_RELEASE: Final = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class LeaseLost(Exception):
    """Another one may be working on the game: nothing more must be done to it under this lease."""

    def __init__(self, game_id: str) -> None:
        super().__init__(f"the lease of {game_id} was lost")
        self.game_id = game_id


class Lease:
    """A lease that is held, as a context. It is renewed until the context is left."""

    def __init__(self, owner: "Leases", game_id: str, token: int, taken_at: float) -> None:
        self.game_id = game_id
        self.token = token
        self._owner = owner
        self._ends_at = taken_at + owner.seconds
        self._lost = False
        self._renewing: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise LeaseLost unless it is surely held still. To be called before each step that others can see."""
        if self._lost or time.monotonic() >= self._ends_at:
            raise LeaseLost(self.game_id)

    async def __aenter__(self) -> Self:
        self._renewing = asyncio.create_task(self._renew(), name=f"lease-{self.game_id}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        await self._owner.release(self)

    async def _renew(self) -> None:
        pause = self._owner.seconds / 3
        while True:
            await asyncio.sleep(pause)
            asked_at = time.monotonic()
            try:
                held = await self._owner.renew(self)
            except RedisError:
                # Nobody else can have it before it ends; until then the next try may come through.
                if time.monotonic() < self._ends_at:
                    pause = self._owner.seconds / 10
                    continue
                held = False
            if not held:
                self._lost = True
                self._owner.lost.inc()
                _log.warning("lease_lost", game_id=self.game_id)
                return
            self._ends_at = asked_at + self._owner.seconds
            pause = self._owner.seconds / 3


class Leases:
    """Takes leases for one life of one instance."""

    def __init__(
        self,
        redis: Redis,
        database: Database,
        *,
        instance: str,
        life: str,
        seconds: float,
        metrics: Registry,
    ) -> None:
        """``instance`` is unique among those that run, ``life`` among all; ``seconds`` is a lease's time without renewal."""
        self.seconds = seconds
        self._redis = redis
        self._database = database
        self._instance = instance
        self._life = life
        self._held: set[str] = set()
        self.lost = metrics.counter(
            "rtmanager_leases_lost_total", "Leases that were lost while an operation ran"
        )

    async def acquire(self, game_id: str) -> Lease | None:
        """Take the lease of a game; None if it is taken. Raises RedisError and DatabaseUnavailable."""
        if game_id in self._held:
            return None
        self._held.add(game_id)  # before the first await: two of this instance must not both go on
        taken = False
        try:
            token: int = await self._database.fetchval("SELECT nextval('lease_tokens')")
            asked_at = time.monotonic()
            arguments = (self._instance, self._life, token, round(self.seconds * 1000))
            taken = await self._redis.run(_TAKE, [_key(game_id)], arguments) == 1
        finally:
            if not taken:
                self._held.discard(game_id)
        return Lease(self, game_id, token, asked_at) if taken else None

    async def renew(self, lease: Lease) -> bool:
        """Say whether a lease was held still and lives on. Raises RedisError."""
        arguments = (self._value(lease), round(self.seconds * 1000))
        held: int = await self._redis.run(_RENEW, [_key(lease.game_id)], arguments)
        return held == 1

    async def release(self, lease: Lease) -> None:
        """Give a lease back; if Redis does not answer it ends by itself."""
        try:
            await self._redis.run(_RELEASE, [_key(lease.game_id)], [self._value(lease)])
        except RedisError:
            pass
        finally:
            self._held.discard(lease.game_id)

    def _value(self, lease: Lease) -> str:
        return f"{self._instance}/{self._life}/{lease.token}"


def _key(game_id: str) -> str:
    return f"rtmanager:lease:{game_id}"
