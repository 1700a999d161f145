from datetime import UTC, datetime

import pytest

from seatrial.timeline.logtime import unix_time


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-11-21T10:00:00.250Z", datetime(2026, 11, 21, 10, 0, 0, 250000, UTC)),
        ("2026-11-21T12:00:00.250+02:00 INFO hello", datetime(2026, 11, 21, 10, 0, 0, 250000, UTC)),
        ("[2026-11-21 10:00:00,250] hello", datetime(2026, 11, 21, 10, 0, 0, 250000).astimezone()),
        ("17:M 21 Nov 2026 10:00:00.250 * Ready", datetime(2026, 11, 21, 10, 0, 0, 250000).astimezone()),
    ],
)
def test_the_time_of_a_line_is_found(line: str, expected: datetime) -> None:
    assert unix_time(line) == expected.timestamp()


@pytest.mark.parametrize(
    "line",
    ["", "hello", "2026-99-21T10:00:00Z", "99 Nov 2026 10:00:00.250", "x" * 80 + "2026-11-21T10:00:00Z"],
)
def test_a_line_without_a_time_has_none(line: str) -> None:
    assert unix_time(line) is None
