"""Quarantine: a flaky test may fail without breaking the run, for a named reason and a limited time.

`quarantine.toml` in the root directory is the only place where a test is quarantined:

    [[quarantined]]
    test = "suites/replay_test.py::test_a_replay_is_refused"
    reason = "two replays within one millisecond are taken for one"
    link = "https://tracker.example/7"
    until = 2030-12-31                   # the last day, in UTC; at most 30 days ahead

`test` is a test with all its cases, one case of it, a class or a module. The test still runs, and its failure is still kept and
counted; past its day it is red. The file is read with the standard library alone, as tiers.toml is.
"""

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from seatrial.tiertable import Table, TierError

FILE_NAME: Final = "quarantine.toml"
MAX_DAYS: Final = 30
"""How far ahead the last day of a quarantine may lie."""


class QuarantineError(Exception):
    """A file that cannot be used: names the file, the entry, the reason and the remedy in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """An entry of the file."""

    test: str
    """The node id of a test, of one of its cases, of a class or of a module."""
    reason: str
    link: str
    """Where it is being worked on."""
    until: date
    """The last day, in UTC."""

    @property
    def file(self) -> PurePosixPath:
        """The test's module, relative to the root directory."""
        return PurePosixPath(self.test.partition("::")[0])

    def covers(self, nodeid: str) -> bool:
        """Whether this is the quarantine of a test."""
        return nodeid == self.test or nodeid.startswith((f"{self.test}::", f"{self.test}["))

    def over(self, today: date | None = None) -> bool:
        """Whether its time is up."""
        return (today or _today()) > self.until

    def __str__(self) -> str:
        return f"quarantined until {self.until}: {self.reason} ({self.link})"


@dataclass(frozen=True, slots=True)
class Quarantines:
    """All that a repository has in quarantine."""

    entries: tuple[Quarantine, ...] = ()

    def of(self, nodeid: str) -> Quarantine | None:
        """A test's quarantine; the narrowest where several cover it."""
        covering = [entry for entry in self.entries if entry.covers(nodeid)]
        return max(covering, key=lambda entry: len(entry.test), default=None)


def load(file: Path, *, today: date | None = None) -> Quarantines:
    """Read a quarantine file; tests are named relative to its directory. A missing file quarantines nothing.

    Raises QuarantineError for anything in it that is not understood, for a module that is not there, and for a day too far ahead.
    One that is over is read: what it covers is red where it is collected.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Quarantines()
    except OSError as error:
        raise QuarantineError(f"{file}: {error.strerror} (make it a file that can be read)") from None
    except (ValueError, RecursionError) as error:
        raise QuarantineError(f"{file}: {error} (write it in TOML, as UTF-8)") from None
    try:
        return _read(Table(file, "", document), today or _today())
    except TierError as error:
        raise QuarantineError(str(error)) from None


def _read(top: Table, today: date) -> Quarantines:
    entries: list[Quarantine] = []
    for table in top.array("quarantined"):
        entry = _entry(table, today)
        if any(entry.test == other.test for other in entries):
            raise table.fail("test", "has an entry already", "write one entry for a test")
        entries.append(entry)
    top.done()
    return Quarantines(tuple(entries))


def _entry(table: Table, today: date) -> Quarantine:
    test = table.text("test")
    table.key += f" {test!r}"
    entry = Quarantine(
        test=test, reason=table.text("reason"), link=table.text("link"), until=table.day("until")
    )
    table.done()
    path = entry.file
    if path.suffix != ".py" or path.is_absolute() or ".." in path.parts:
        raise table.fail("test", "is no node id", 'write test = "suites/replay_test.py::test_a_replay"')
    try:
        there = (table.file.parent / path).is_file()
    except (OSError, ValueError):  # no name that a file can have
        there = False
    if not there:
        raise table.fail("test", f"there is no {path}", "correct it, or remove the entry")
    try:
        link = urlsplit(entry.link)
        usable = link.scheme in ("https", "http") and bool(link.netloc)
    except ValueError:
        usable = False
    if not usable:
        raise table.fail("link", f"{entry.link!r} is no address", 'write link = "https://..."')
    latest = today + timedelta(days=MAX_DAYS)
    if entry.until > latest:
        raise table.fail(
            "until", f"{entry.until} is more than {MAX_DAYS} days ahead", f"write {latest} or an earlier day"
        )
    return entry


def _today() -> date:
    return datetime.now(UTC).date()
