"""Timeline: the events of one test on a monotonic clock, and which test's is the current one.

Events are kept in memory until there is a reason for a file; from then on each one is written as it happens, so that they
survive a killed runner. What carries wall time instead, the lines of logs and the entries of streams, is placed by the wall
time at which the timeline began.
"""

import contextlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

from seatrial.timeline.event import Event


class Timeline:
    """The events of one test. Safe to use from any thread; recording one costs a few microseconds.

    One that is not `recording` keeps nothing, and is nobody's current timeline.
    """

    def __init__(self, *, recording: bool = True) -> None:
        self.recording = recording
        self.name_of: Callable[[str], str | None] = _nobody
        """Who listens at an address, `host:port`, if that is known."""
        self._began = time.monotonic()
        self._began_unix = time.time()
        self._events: list[Event] = []
        self._numbers: Counter[str] = Counter()
        self._seen: set[Hashable] = set()
        self._lock = threading.Lock()
        self._file: int | None = None

    def record(self, source: str, kind: str, detail: str = "", **fields: object) -> None:
        """Add an event that happens now."""
        self._add(Event(time.monotonic() - self._began, source, kind, detail, fields))

    def record_at(self, unix: float, source: str, kind: str, detail: str = "", **fields: object) -> None:
        """Add an event that happened at a wall time, in Unix seconds."""
        self._add(Event(self.place(unix), source, kind, detail, fields))

    def number(self, kind: str) -> int:
        """The next number of a kind of thing that is numbered in a test, from 1."""
        with self._lock:
            self._numbers[kind] += 1
            return self._numbers[kind]

    def first(self, what: Hashable) -> bool:
        """Whether this is the first time that it is asked about `what`: for what may be met several times."""
        with self._lock:
            met = what in self._seen
            self._seen.add(what)
            return not met

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything recorded so far, in the order of recording."""
        with self._lock:
            return tuple(self._events)

    def write_to(self, path: Path) -> None:
        """Write all events to a file, those to come as well, until `close`."""
        with self._lock:
            if self._file is not None or not self.recording:
                return
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            lines = "".join(map(self.line, self._events))
            os.write(self._file, lines.encode())

    def close(self) -> None:
        """End writing to the file; recording in memory stays possible. Idempotent."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def place(self, unix: float) -> float:
        """Where a wall time, in Unix seconds, lies on this timeline: never before its beginning."""
        return max(0.0, unix - self._began_unix)

    def unix(self, event: Event) -> float:
        """The wall time of an event, in Unix seconds."""
        return self._began_unix + event.at

    def line(self, event: Event) -> str:
        """An event as one line of JSON."""
        return event.line(self._began_unix)

    def _add(self, event: Event) -> None:
        if not self.recording:
            return
        with self._lock:
            self._events.append(event)
            if self._file is not None:
                os.write(self._file, self.line(event).encode())


def _nobody(address: str) -> str | None:  # noqa: ARG001  (the default of a field that is a function)
    return None


class _Current:
    """Which test runs in this process; tests run one at a time, whatever threads they have."""

    timeline: Timeline | None = None


def current() -> Timeline | None:
    """The timeline of the test that is running in this process, if there is one that records."""
    return _Current.timeline


@contextlib.contextmanager
def running(timeline: Timeline) -> Iterator[None]:
    """Make a timeline the current one for a while; one that does not record makes that none."""
    before, _Current.timeline = _Current.timeline, timeline if timeline.recording else None
    try:
        yield
    finally:
        _Current.timeline = before


def note(source: str, kind: str, detail: str = "", **fields: object) -> None:
    """Record an event on the current timeline; nothing happens when no test is running."""
    timeline = _Current.timeline
    if timeline is not None:
        timeline.record(source, kind, detail, **fields)
