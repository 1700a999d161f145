"""Checks 6 and 7: a request is accepted once, by all instances together, and within its budgets.

Both run in one script on the Redis server, so that no other instance can act between them.
"""

from collections.abc import Sequence
from typing import Final

from servicekit.redis import Redis, RedisError, Script

from gateway.limits import GCRA_LUA, Bucket, read_spend, spend_arguments
from gateway.rejection import Rejection
from gateway.sessions import store_unavailable

KEY_PREFIX: Final = "gateway:request:"
CLOCK_MARGIN_MS: Final = 60_000
"""How far the clocks of two instances may be apart before a reservation could end too early."""

_RESERVE_AND_SPEND: Final = Script(
    GCRA_LUA
    + """
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then
  return 0
end
return spend(2, 2)
"""
)


class Admission:
    """Reserves request ids and spends budgets."""

    def __init__(self, redis: Redis, freshness_window_ms: int) -> None:
        """A request is fresh from `freshness_window_ms` before its timestamp to as much after it: the reservation
        lives for both, since the request could have come at the very start."""
        self._redis = redis
        self._reservation_ms = 2 * freshness_window_ms + CLOCK_MARGIN_MS

    async def admit(self, device_session_id: str, request_id: str, buckets: Sequence[Bucket]) -> None:
        """Returns for the first call with this request id within `buckets`.

        Raises Rejection: `session_store_unavailable` (the id may be used up), `replayed_request`, `rate_limited` (the
        id is used up, the budgets are not).
        """
        keys = [reservation_key(device_session_id, request_id), *(bucket.key for bucket in buckets)]
        arguments = [self._reservation_ms, *spend_arguments(buckets)]
        try:
            reply = await self._redis.run(_RESERVE_AND_SPEND, keys=keys, arguments=arguments)
        except RedisError as error:
            raise store_unavailable(error) from None
        if reply == 0:
            raise Rejection(
                "replayed_request", "this request_id was used before; make a new one for each attempt"
            )
        if (exhausted := read_spend(buckets, reply)) is not None:
            raise Rejection(
                "rate_limited",
                f"the budget of the {exhausted.bucket} is used up; wait, then use a new request_id",
                retry_after_s=exhausted.retry_after_s,
            )


def reservation_key(device_session_id: str, request_id: str) -> str:
    """The Redis key of a request. The length keeps ("a:b", "c") and ("a", "b:c") apart."""
    return f"{KEY_PREFIX}{len(device_session_id)}:{device_session_id}:{request_id}"
