"""Faults: what a test breaks on purpose, from when until when. One that is never mended lasts to the end of the test."""

import contextlib
from collections.abc import Iterator

from seatrial.timeline.timeline import Timeline, current


class Faults:
    """The faults of one thing: a process, a container, a store. At most one of a kind at a time."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: dict[str, tuple[Timeline, int]] = {}

    def begin(self, kind: str, detail: str = "") -> None:
        """It is broken from now on; nothing is recorded when no test is running, or when it is broken so already."""
        timeline = current()
        if timeline is None or kind in self._open:
            return
        number = timeline.number("fault")
        self._open[kind] = timeline, number
        timeline.record(self._source, "fault", f"{kind} {detail}".rstrip(), fault=number)

    def end(self, *kinds: str) -> None:
        """It is whole again, as far as these kinds go: all of them when none is named. Idempotent."""
        for kind in kinds or tuple(self._open):
            if kind in self._open:
                timeline, number = self._open.pop(kind)
                timeline.record(self._source, "fault_over", kind, fault=number)


@contextlib.contextmanager
def fault(source: str, kind: str, detail: str = "") -> Iterator[None]:
    """Something is broken on purpose for a while: begin and end become events of the current timeline."""
    faults = Faults(source)
    faults.begin(kind, detail)
    try:
        yield
    finally:
        faults.end()
