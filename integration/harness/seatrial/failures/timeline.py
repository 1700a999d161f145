"""Timeline: what happened in a test, in order, on one clock.

Events are kept in memory until there is a reason for a file; from then on each one is written as
it happens, so that they survive a killed runner. For a failure they are merged with the records of
all logs, which carry wall time; a timeline therefore maps its monotonic clock to wall time once.
"""

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_SCALARS = (str, int, float, bool, type(None))
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?")
_VALKEY_TIME = re.compile(r"\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}")
_TIME_WITHIN = 60
_CONTINUED = "\n" + " " * 24


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at `at`, in seconds since the timeline began."""

    at: float
    source: str
    """What it happened to: `test`, a process, a stub, a proxy."""
    kind: str
    detail: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)


class Timeline:
    """The events of one test. Safe to use from any thread; recording costs a few microseconds."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._began_unix = time.time()
        self._events: list[Event] = []
        self._lock = threading.Lock()
        self._file: int | None = None

    def record(self, source: str, kind: str, detail: str = "", **fields: object) -> None:
        """Add an event that happens now."""
        self._add(Event(time.monotonic() - self._began, source, kind, detail, fields))

    def record_at(self, unix: float, source: str, kind: str, detail: str = "") -> None:
        """Add an event that happened at a wall time, in Unix seconds."""
        self._add(Event(unix - self._began_unix, source, kind, detail))

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything recorded so far, in the order of recording."""
        with self._lock:
            return tuple(self._events)

    def write_to(self, path: Path) -> None:
        """Write all events to a file, those to come as well, until `close`."""
        with self._lock:
            if self._file is not None:
                return
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            lines = "".join(self.line(event) for event in self._events)
            os.write(self._file, lines.encode())

    def close(self) -> None:
        """End writing to the file; recording in memory stays possible. Idempotent."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def unix(self, event: Event) -> float:
        """The wall time of an event, in Unix seconds."""
        return self._began_unix + event.at

    def line(self, event: Event) -> str:
        """An event as one line of JSON."""
        ts = datetime.fromtimestamp(self.unix(event), UTC).isoformat(timespec="milliseconds")
        document: dict[str, object] = {
            "ts": ts.replace("+00:00", "Z"),
            "at_s": round(event.at, 6),
            "source": event.source,
            "event": event.kind,
        }
        if event.detail:
            document["detail"] = event.detail
        for name, value in event.fields.items():
            document.setdefault(name, value if isinstance(value, _SCALARS) else str(value))
        return json.dumps(document, ensure_ascii=False) + "\n"

    def from_log(
        self, source: str, records: Iterable[tuple[float | None, str | None, str]], kind: str = "log"
    ) -> list[Event]:
        """The records of a log, each (Unix time or None, level, text), as events.

        A record without a time happened no earlier than the one before it, and the first ones of a
        log no earlier than the process was spawned.
        """
        at = next((e.at for e in self.events if e.source == source and e.kind == "spawned"), 0.0)
        events = []
        for unix, level, text in records:
            if unix is not None:
                at = unix - self._began_unix
            events.append(Event(at, source, kind, text, {"level": level} if level else {}))
        return events

    def merged(self, *logs: Iterable[Event]) -> list[Event]:
        """Events and log records in the order of time; equal times keep the order given."""
        everything = list(self.events)
        for log in logs:
            everything.extend(log)
        return sorted(everything, key=lambda event: event.at)

    def _add(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)
            if self._file is not None:
                os.write(self._file, self.line(event).encode())


def render(events: Iterable[Event]) -> str:
    """Events for a person: one line each, with the time since the beginning and since the last."""
    lines = []
    last = 0.0
    for event in events:
        level = event.fields.get("level", "")
        rest = " ".join(f"{k}={v}" for k, v in event.fields.items() if k != "level")
        text = " ".join(part for part in (event.detail, rest) if part).replace("\n", _CONTINUED)
        kind = f"{event.kind} {level}".strip()
        lines.append(
            f"{event.at:9.3f} s {event.at - last:+8.3f}  {event.source:<16} {kind:<12} {text}".rstrip()
        )
        last = event.at
    return "\n".join(lines) + "\n" if lines else ""


def unix_time(line: str) -> float | None:
    """The time near the beginning of a log line, in Unix seconds; None when there is none that is known.

    Known are ISO 8601, as most loggers write it, and the format of Redis and Valkey. A time that names no zone
    is local time.
    """
    head = line[:_TIME_WITHIN]
    try:
        if match := _ISO_TIME.search(head):
            return datetime.fromisoformat(match[0].replace(",", ".")).timestamp()
        if match := _VALKEY_TIME.search(head):
            return datetime.strptime(match[0], "%d %b %Y %H:%M:%S.%f").astimezone().timestamp()
    except ValueError:
        pass
    return None


class _Current:
    """Which test runs in this process; tests run one at a time, whatever threads they have."""

    timeline: Timeline | None = None


def current() -> Timeline | None:
    """The timeline of the test that is running in this process, if there is one."""
    return _Current.timeline


@contextlib.contextmanager
def running(timeline: Timeline) -> Iterator[None]:
    """Make a timeline the current one for a while."""
    before, _Current.timeline = _Current.timeline, timeline
    try:
        yield
    finally:
        _Current.timeline = before


def note(source: str, kind: str, detail: str = "") -> None:
    """Record an event on the current timeline; nothing happens when no test is running."""
    timeline = _Current.timeline
    if timeline is not None:
        timeline.record(source, kind, detail)


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Name a part of a test: its begin, end and failure become events of the current timeline."""
    timeline = _Current.timeline
    if timeline is None:
        yield
        return
    with steps(timeline, text):
        yield


@contextlib.contextmanager
def steps(timeline: Timeline, text: str) -> Iterator[None]:
    """As `step`, on a timeline that is named."""
    began = time.monotonic()
    timeline.record("test", "step", text)
    try:
        yield
    except BaseException as error:
        timeline.record("test", "step_failed", text, error=type(error).__name__)
        raise
    timeline.record("test", "step_done", text, took_s=round(time.monotonic() - began, 6))


@contextlib.contextmanager
def fault(source: str, kind: str, detail: str = "") -> Iterator[None]:
    """Something is broken on purpose for a while: begin and end become events of the current timeline."""
    note(source, "fault", f"{kind} {detail}".rstrip())
    try:
        yield
    finally:
        note(source, "fault_over", kind)
