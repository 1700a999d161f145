"""Every error that Seatrial raises on purpose: the thing, the reason, the remedy."""

from collections.abc import Sequence


class SeatrialError(Exception):
    """Root of the harness's own errors; its text is meant for a person and needs no traceback."""


class ServiceError(SeatrialError):
    """A `Service` or `Listener` says something that cannot work."""


class SpawnError(SeatrialError):
    """The operating system cannot start the program of a service."""


class BinaryError(SeatrialError):
    """A program cannot be built or installed."""


class ProcessDied(SeatrialError):
    """A child ended although nobody asked it to; whoever was waiting has no reason left to wait."""


class NotReady(SeatrialError):
    """A child lives, but did not become ready: it is late, or what it reported is wrong."""


class WaitTimeout(SeatrialError):
    """Something awaited with `until` did not come to pass in time."""


class UnexpectedExit(SeatrialError):
    """A child ended in a way that the test did not declare."""


class UnexpectedLog(SeatrialError):
    """A child logged something that the test did not allow."""


class LeakError(SeatrialError):
    """Something of ours outlived the test that made it."""

    def __init__(self, leaks: Sequence[object]) -> None:
        self.leaks = tuple(leaks)
        super().__init__("left behind:\n" + "\n".join(f"  {leak}" for leak in self.leaks))


def indented(text: str, margin: str = "    ") -> str:
    """`text` with `margin` before each line, as quoted material inside an error."""
    return "\n".join(margin + line for line in text.splitlines())


def shortened(text: str, limit: int = 500) -> str:
    """`text` in at most `limit` characters, with what was cut named."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit} more characters)"
