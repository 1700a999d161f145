"""Quarantine: a flaky test may fail without breaking the run, for a named reason and a limited time.

The test still runs, and its failure is still kept and counted. Past its date it is red.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import pytest

from seatrial.rules.skips import Violation

MARKER: Final = "quarantined"
_EXAMPLE: Final = '@pytest.mark.quarantined(issue="https://...", until="2030-12-31")'


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Until when a test may fail, and where that is being worked on."""

    issue: str
    until: date
    """The last day, in UTC."""

    def over(self, today: date | None = None) -> bool:
        """Whether the time is up."""
        return (today or datetime.now(UTC).date()) > self.until

    def __str__(self) -> str:
        return f"quarantined until {self.until}: {self.issue}"


def of(item: pytest.Item) -> Quarantine | None:
    """A test's quarantine; raises ValueError naming what is wrong with its mark."""
    mark = item.get_closest_marker(MARKER)
    if mark is None:
        return None
    unknown = set(mark.kwargs) - {"issue", "until"}
    if mark.args or unknown:
        raise ValueError("takes exactly issue= and until=")
    issue, until = mark.kwargs.get("issue"), mark.kwargs.get("until")
    if not isinstance(issue, str) or not issue.strip():
        raise ValueError("has no issue")
    if not isinstance(until, str):
        raise ValueError("has no date")  # noqa: TRY004 - a user's mistake in a mark, reported as one line
    try:
        return Quarantine(issue.strip(), date.fromisoformat(until))
    except ValueError:
        raise ValueError(f"has no date: {until!r} is not YYYY-MM-DD") from None


def on_item(item: pytest.Item) -> Iterator[Violation]:
    """What is wrong with a test's quarantine, its end included."""
    try:
        quarantine = of(item)
    except ValueError as error:
        yield Violation(item.nodeid, f"quarantine {error}", f"write {_EXAMPLE}")
        return
    if quarantine is not None and quarantine.over():
        yield Violation(
            item.nodeid,
            f"its quarantine ended on {quarantine.until}: {quarantine.issue}",
            "fix the test and remove the mark, or delete the test",
        )
