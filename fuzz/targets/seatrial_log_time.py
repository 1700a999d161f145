"""Target: the time in a log line of any logger."""

from seatrial.timeline.logtime import unix_time

from targets.inputs import text


def check(data: bytes) -> bool:
    """A line has a time that a calendar knows, or none; what follows in the line does not matter."""
    given = text(data)
    if given is None:
        return False
    at = unix_time(given)
    if at is None:
        return False
    assert -62_200_000_000 < at < 253_500_000_000
    assert unix_time(f"{given[:60].ljust(60)} and more") is not None
    return True
