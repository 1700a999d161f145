"""Merging: the events of a timeline and the lines of all logs in one order, as JSON lines and as text."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Protocol

from seatrial.timeline.event import Event
from seatrial.timeline.logtime import unix_time
from seatrial.timeline.timeline import Timeline

_CONTINUED: Final = "\n" + " " * 24
_IDS: Final = ("request_id", "trace_id")
_ID: Final = re.compile(r"\b(?P<name>request_id|trace_id)[\"']?\s*[:=]\s*[\"']?(?P<value>[\w.:~-]{1,128})")


class Line(Protocol):
    """What is needed of a record of a log."""

    @property
    def line(self) -> str:
        """The text."""

    @property
    def level(self) -> str | None:
        """In upper case, when it has one."""

    @property
    def ts(self) -> str | None:
        """Its time, when it is a document that has one."""

    @property
    def fields(self) -> Mapping[str, object]:
        """The members of a document; empty when the line is none."""


def of_log(timeline: Timeline, source: str, records: Iterable[Line]) -> Iterator[Event]:
    """The records of a log as events, with the request and trace that a line names.

    A record without a time happened no earlier than the one before it, and the first ones of a log no earlier than the
    process was spawned.
    """
    at = next((each.at for each in timeline.events if each.source == source and each.kind == "spawned"), 0.0)
    for record in records:
        unix = unix_time(record.ts or record.line)
        if unix is not None:
            at = timeline.place(unix)
        yield Event(at, source, "log", record.line, {"level": record.level, **_ids(record)})


def merged(timeline: Timeline, *logs: Iterable[Event]) -> list[Event]:
    """Events and log records in the order of time; equal times keep the order given."""
    everything = list(timeline.events)
    for log in logs:
        everything.extend(log)
    return sorted(everything, key=lambda event: event.at)


def text(events: Iterable[Event]) -> str:
    """Events for a person: one line each, with the time since the beginning and since the last."""
    lines = []
    last = 0.0
    for event in events:
        level = event.fields.get("level") or ""
        rest = " ".join(f"{k}={v}" for k, v in event.fields.items() if k != "level" and v is not None)
        if event.kind == "log":
            rest = ""  # the line has it all
        told = " ".join(part for part in (event.detail, rest) if part).replace("\n", _CONTINUED)
        kind = f"{event.kind} {level}".strip()
        lines.append(
            f"{event.at:9.3f} s {event.at - last:+8.3f}  {event.source:<16} {kind:<12} {told}".rstrip()
        )
        last = event.at
    return "\n".join(lines) + "\n" if lines else ""


def _ids(record: Line) -> dict[str, object]:
    if record.fields:
        return {name: value for name in _IDS if isinstance(value := record.fields.get(name), str) and value}
    if not any(name in record.line for name in _IDS):
        return {}
    return {match["name"]: match["value"] for match in _ID.finditer(record.line)}
