"""Who or what a change comes from."""

import re
from dataclasses import dataclass
from typing import Final

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?P<trace_id>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


@dataclass(frozen=True, slots=True)
class Cause:
    """What is known of the cause of a change, for those who are told of it."""

    actor: str | None
    """The user who did it, and so need not be told; None for a service, an entry of a stream, time."""
    request_id: str
    """1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    trace_id: str = ""
    """A W3C trace-id, or empty."""


def trace_id(traceparent: str | None) -> str:
    """Give the trace-id of a traceparent header (W3C Trace Context, 3.2); empty if there is none that is valid."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match["trace_id"] if match is not None else ""
