"""The log of one process: a file that the child writes itself, read by line, by record and by mark."""

import json
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal

from seatrial.errors import ProcessDied, WaitTimeout, indented, shortened
from seatrial.waiting import until

ALARMING_LEVELS: Final = frozenset({"WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"})
# What makes a line that is no JSON record unexpected: interpreters that die, and the usual words of the usual loggers.
DEFAULT_ALARMS: Final = (
    r"^Traceback \(most recent call last\)",
    r"^Fatal Python error",
    r"^panic: ",
    r"\b(?:WARN|WARNING|ERROR|CRITICAL|FATAL)\b",
    r"\b[A-Z]\w*Warning: ",
)
_TRACEBACK: Final = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a log; what is completed later lies behind it. `offset` is in bytes."""

    offset: int


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log: a JSON object, a line that is none, or a whole traceback (`line` then has several lines).

    `level` (upper case), `event`, `logger` and `ts` are the members of that name when they are strings; `fields` is
    the whole object.
    """

    line: str
    level: str | None = None
    event: str | None = None
    logger: str | None = None
    ts: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, line: str) -> "Record":
        """A record of `line`, whatever it is."""
        if not line.startswith("{"):
            return cls(line)
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            return cls(line)

        def text(name: str) -> str | None:
            value = fields.get(name)
            return value if isinstance(value, str) else None

        level = text("level")
        return cls(line, level and level.upper(), text("event"), text("logger"), text("ts"), fields)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a test declared that may be logged: records in which `pattern` is found, at `level` when it is given."""

    pattern: str
    level: str | None = None

    def covers(self, record: Record) -> bool:
        """Whether `record` is allowed."""
        if self.level is not None and record.level != self.level.upper():
            return False
        return re.search(self.pattern, record.line) is not None


@dataclass(frozen=True, slots=True)
class _Line:
    end: int
    text: str


class LogFile:
    """The log at `path`, which need not exist yet; every method sees what the child has written by then.

    A last line without its newline is still being written: it is in `text` and `tail`, and `unexpected` judges it, but
    nothing waits on it. Bytes that are not UTF-8 show as U+FFFD.
    """

    def __init__(
        self,
        path: Path,
        format: Literal["json", "plain"] = "json",
        alarms: Sequence[str] = DEFAULT_ALARMS,
    ) -> None:
        self.path = path
        self._format = format
        self._alarms = [re.compile(alarm) for alarm in alarms]
        self._lock = threading.Lock()
        self._read = 0
        self._partial = b""
        self._lines: list[_Line] = []

    def __repr__(self) -> str:
        return f"LogFile({str(self.path)!r})"

    def _pull(self) -> None:
        """Read what was appended since the last time; the caller holds the lock."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return
        if not data:
            return
        start = self._read - len(self._partial)
        *complete, self._partial = (self._partial + data).split(b"\n")
        self._read += len(data)
        for line in complete:
            start += len(line) + 1
            self._lines.append(_Line(start, line.decode("utf-8", "replace").removesuffix("\r")))

    def _since(self, since: Mark | None, *, partial: bool = False) -> list[str]:
        with self._lock:
            self._pull()
            first = 0 if since is None else bisect_right(self._lines, since.offset, key=attrgetter("end"))
            lines = [line.text for line in self._lines[first:]]
            if partial and self._partial:
                lines.append(self._partial.decode("utf-8", "replace"))
            return lines

    def mark(self) -> Mark:
        """The present end of the log."""
        with self._lock:
            self._pull()
            return Mark(self._read)

    def text(self, since: Mark | None = None) -> str:
        """The log as it stands, from the line that was being written at `since`."""
        return "\n".join(self._since(since, partial=True))

    def tail(self, lines: int = 20) -> str:
        """The last `lines` lines."""
        return "\n".join(self._since(None, partial=True)[-lines:])

    def records(self, since: Mark | None = None) -> tuple[Record, ...]:
        """Every complete record, or those completed after `since`."""
        return tuple(self._records(self._since(since)))

    def _records(self, lines: Sequence[str]) -> Iterator[Record]:
        position = 0
        while position < len(lines):
            line = lines[position]
            position += 1
            if not line.startswith(_TRACEBACK):
                yield Record.parse(line) if self._format == "json" else Record(line)
                continue
            end = position
            while end < len(lines) and lines[end].startswith((" ", "\t")):
                end += 1
            end = min(end + 1, len(lines))
            yield Record("\n".join((line, *lines[position:end])))
            position = end

    def _alarming(self, record: Record) -> bool:
        if record.fields:
            return record.level in ALARMING_LEVELS or "exception" in record.fields
        return any(alarm.search(record.line) for alarm in self._alarms)

    def unexpected(self, allowed: Sequence[Allowed] = ()) -> tuple[Record, ...]:
        """The records that fail a test: warnings, errors and tracebacks that `allowed` does not cover."""
        return tuple(
            record
            for record in self._records(self._since(None, partial=True))
            if self._alarming(record) and not any(each.covers(record) for each in allowed)
        )

    def find(self, pattern: str, since: Mark | None = None) -> Record | None:
        """The first complete line in which `pattern` is found, as a record."""
        search = re.compile(pattern).search
        for line in self._since(since):
            if search(line):
                return Record.parse(line) if self._format == "json" else Record(line)
        return None

    def wait_for(self, pattern: str, timeout: float = 5.0, since: Mark | None = None) -> Record:
        """Wait at most `timeout` seconds for a line in which `pattern` is found: from the start, or after `since`.

        Raises `WaitTimeout`, or `ProcessDied` when a child ends meanwhile although nobody asked it to; the last lines
        of this log are in the error.
        """
        search = re.compile(pattern).search
        place = since or Mark(0)

        def found() -> Record | None:
            nonlocal place
            start, place = place, self.mark()
            # A line that was incomplete at the mark is completed after it: nothing falls between two looks.
            for line in self._since(start):
                if search(line):
                    return Record.parse(line) if self._format == "json" else Record(line)
            return None

        what = f"a line with {pattern!r} in {self.path}"
        try:
            record = until(what, found, timeout)
        except WaitTimeout:
            raise WaitTimeout(f"waited {timeout:g} s for {what}, in vain; {self.story()}") from None
        except ProcessDied as death:
            # What a child wrote last it wrote before it died.
            record = found()
            if record is None:
                raise ProcessDied(str(death)) from None
        assert record is not None  # noqa: S101  (`until` returns only what is true)
        return record

    @contextmanager
    def contains(self, pattern: str, timeout: float = 5.0) -> Iterator[None]:
        """What happens inside makes a line with `pattern` appear, at most `timeout` seconds after its end."""
        mark = self.mark()
        yield
        self.wait_for(pattern, timeout, since=mark)

    def story(self, lines: int = 12) -> str:
        """The last lines of the log and where it is, for the text of an error."""
        tail = self.tail(lines)
        if not tail:
            return f"its log is empty: {self.path}"
        return f"last lines of {self.path}:\n{indented(shortened(tail, 4000))}"
