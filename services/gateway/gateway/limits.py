"""Rate limits, counted in Redis for all instances together, by the generic cell rate algorithm.

GCRA keeps one number for a bucket: the theoretical arrival time, in microseconds of Redis' clock. A call is
allowed while that time is at most `(burst - 1)` intervals ahead; each allowed call moves it one interval on
(ITU-T I.371, virtual scheduling).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from servicekit.parsers import Limit
from servicekit.redis import Redis, Script

KEY_PREFIX: Final = "gateway:limit:"

GCRA_LUA: Final = """
local function spend(first, arguments)
  local clock = redis.call('TIME')
  local now = clock[1] * 1000000 + clock[2]
  local wait, tightest, arrivals = 0, 0, {}
  for index = first, #KEYS do
    local interval = tonumber(ARGV[arguments + 2 * (index - first)])
    local burst = tonumber(ARGV[arguments + 2 * (index - first) + 1])
    local arrival = math.max(tonumber(redis.call('GET', KEYS[index]) or '0'), now)
    local early = arrival - (burst - 1) * interval - now
    if early > wait then
      wait, tightest = early, index - first + 1
    end
    arrivals[index] = arrival + interval
  end
  if wait > 0 then
    return {tightest, math.ceil(wait / 1000)}
  end
  for index = first, #KEYS do
    local life = math.ceil((arrivals[index] - now) / 1000)
    redis.call('SET', KEYS[index], string.format('%.0f', arrivals[index]), 'PX', life)
  end
  return {0, 0}
end
"""
"""Defines `spend`: all buckets KEYS[first..] together or none, their (interval us, burst) at ARGV[arguments..].

Answers {0, 0} when all allow, else {the 1-based bucket that lets wait longest, the wait in ms}.
"""

_SPEND: Final = Script(GCRA_LUA + "return spend(1, 1)\n")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one call spends from: the limit `name`, counted for `subject`."""

    name: str
    subject: str
    limit: Limit

    @property
    def key(self) -> str:
        """The Redis key."""
        return f"{KEY_PREFIX}{self.name}:{self.subject}"

    @property
    def interval_us(self) -> int:
        """Microseconds in which one call comes back."""
        return max(1, round(self.limit.period_s * 1_000_000 / self.limit.burst))


@dataclass(frozen=True, slots=True)
class Exhausted:
    """The bucket that lets the caller wait longest."""

    bucket: str
    wait_ms: int

    @property
    def retry_after_s(self) -> int:
        """Whole seconds, rounded up, at least 1: the value of `Retry-After` (RFC 9110, 10.2.3)."""
        return max(1, math.ceil(self.wait_ms / 1000))


def spend_arguments(buckets: Sequence[Bucket]) -> list[int]:
    """The ARGV of `spend` for `buckets`."""
    return [number for bucket in buckets for number in (bucket.interval_us, bucket.limit.burst)]


def read_spend(buckets: Sequence[Bucket], reply: object) -> Exhausted | None:
    """What `spend` answered for `buckets`."""
    match reply:
        case [int(tightest), int(wait_ms)]:
            return Exhausted(buckets[tightest - 1].name, wait_ms) if tightest else None
        case _:
            raise TypeError(f"the limits script answered {reply!r}")


async def spend(redis: Redis, buckets: Sequence[Bucket]) -> Exhausted | None:
    """Counts one call against all `buckets`, or against none where one of them is exhausted: then that one.

    Raises RedisError.
    """
    reply = await redis.run(
        _SPEND, keys=[bucket.key for bucket in buckets], arguments=spend_arguments(buckets)
    )
    return read_spend(buckets, reply)
