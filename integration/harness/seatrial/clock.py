"""Time as the harness uses it: seconds as floats, monotonic for spans, Unix time for records."""

import time


class Deadline:
    """A point on the monotonic clock that lies `timeout` seconds ahead."""

    __slots__ = ("_started", "timeout")

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the deadline was set."""
        return time.monotonic() - self._started

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.timeout - self.elapsed)

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self.elapsed >= self.timeout
