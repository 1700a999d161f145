"""The entries of a Redis stream as they come, and when each was seen."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import redis

_BLOCK_MS: Final = 1000


class Tail:
    """A reader of one stream, of the entries after one: from the first on, unless told otherwise."""

    def __init__(self, client: "redis.Redis", stream: str, after: str = "0-0") -> None:
        self._client = client
        self._stream = stream
        self._last = after

    @classmethod
    def from_now(cls, client: "redis.Redis", stream: str) -> Self:
        """A reader of what comes after the entries that are there."""
        newest: Any = client.xrevrange(stream, count=1)
        return cls(client, stream, newest[0][0] if newest else "0-0")

    def take(self, count: int, *, within: float) -> Iterator[tuple[dict[str, str], float]]:
        """The next entries, each with the monotonic time in seconds at which it was seen.

        Raises AssertionError when they are not there after `within` seconds.
        """
        seen = 0
        deadline = time.monotonic() + within
        while seen < count:
            reply: Any = self._client.xread({self._stream: self._last}, count=count - seen, block=_BLOCK_MS)
            now = time.monotonic()
            for entries in reply.get(self._stream, ()) if reply else ():
                for self._last, fields in entries:
                    seen += 1
                    yield fields, now
            if seen < count and now > deadline:
                raise AssertionError(f"{seen} of {count} entries of {self._stream} came within {within:g} s")

    def next(self, *, within: float) -> tuple[dict[str, str], float]:
        """The next one; raises as `take` does."""
        return next(self.take(1, within=within))
