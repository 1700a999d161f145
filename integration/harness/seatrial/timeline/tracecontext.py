"""Trace context: the ids by which both sides of a request are found (W3C Trace Context, level 1)."""

import os
import re
from typing import Final

TRACEPARENT: Final = re.compile(
    # Version 00 has exactly four parts; later versions may have more (section 4.3).
    r"(?:00(?!.{53}-)|(?!00|ff)[0-9a-f]{2})-(?P<trace_id>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


def new_trace_id() -> str:
    """A new trace-id: 32 hexadecimal digits, not all zero."""
    return _random_id(16)


def traceparent(trace_id: str) -> str:
    """The value of the header `traceparent` for a request of a trace, sampled, with a new parent-id."""
    return f"00-{trace_id}-{_random_id(8)}-01"


def trace_id_of(header: str | None) -> str | None:
    """The trace-id of a `traceparent` header; None when there is none, or when it is malformed."""
    match = TRACEPARENT.fullmatch(header) if header is not None else None
    return match["trace_id"] if match is not None else None


def _random_id(size: int) -> str:
    random = bytearray(os.urandom(size))
    random[-1] |= 1  # all zero is no id
    return random.hex()
