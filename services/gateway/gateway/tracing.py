"""W3C Trace Context (level 1): continuing a client's trace towards the services behind the gateway."""

import os
import re
from typing import Final

TRACEPARENT_PATTERN: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace_id>(?!0{32})[0-9a-f]{32})-(?P<parent_id>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)


def child_traceparent(received: str | None, trace_id: str | None = None) -> str:
    """A `traceparent` with a new parent-id for a call that this gateway makes.

    It continues `received` where that is a valid header of any version, else the trace `trace_id`, else a new one.
    """
    match = TRACEPARENT_PATTERN.fullmatch(received) if received is not None else None
    # Version 00 has exactly four parts; later versions may have more (Trace Context, 4.3).
    if match is not None and not (match["more"] and match.string.startswith("00-")):
        trace_id, flags = match["trace_id"], int(match["flags"], 16) & 1
    else:
        trace_id, flags = trace_id or _random_id(16), 1
    return f"00-{trace_id}-{_random_id(8)}-{flags:02x}"


def _random_id(size: int) -> str:
    """`size` random bytes in hexadecimal, never all zero."""
    return (os.urandom(size - 1) + bytes([os.urandom(1)[0] | 1])).hex()
