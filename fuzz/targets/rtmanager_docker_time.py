"""Target: times as Docker writes them (RFC 3339 with nanoseconds)."""

import re

from rtmanager.containers import milliseconds

from targets.inputs import text


def check(data: bytes) -> bool:
    """A text is no time, or one in plain digits, whose milliseconds are those of its fraction."""
    given = text(data)
    if given is None:
        return False
    try:
        at_ms = milliseconds(given)
    except ValueError:
        return False
    assert given.isascii()
    fraction = re.search(r"\.([0-9]+)", given)
    assert at_ms % 1000 == int((fraction[1] if fraction else "0").ljust(3, "0")[:3])
    assert -62_135_683_200_000 <= at_ms < 253_402_387_200_000
    return True
