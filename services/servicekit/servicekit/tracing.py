"""Traces: which request of a client the work at hand belongs to (W3C Trace Context, level 1).

A trace that was begun is that of the asyncio task and of the tasks that it starts; every line of their logs bears it.
"""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace_id>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)

_current: ContextVar[str | None] = ContextVar("trace_id", default=None)


@dataclass(frozen=True, slots=True)
class TraceParent:
    """What a ``traceparent`` header says."""

    trace_id: str
    """32 lower-case hexadecimal digits, not all zero."""
    sampled: bool


def parse(header: str | None) -> TraceParent | None:
    """Read a ``traceparent`` header of any version; None if there is none, or none that is valid."""
    match = _FORM.fullmatch(header) if header is not None else None
    # Version 00 has exactly four parts; later versions may have more (Trace Context, 4.3).
    if match is None or (match["more"] and match["version"] == "00"):
        return None
    return TraceParent(match["trace_id"], bool(int(match["flags"], 16) & 1))


def trace_id(header: str | None) -> str | None:
    """Give the trace-id of a ``traceparent`` header; None if there is none, or none that is valid."""
    found = parse(header)
    return found.trace_id if found is not None else None


def begin(trace: str | None) -> None:
    """From here on this task works for the trace of that id, or for none."""
    _current.set(trace)


def current() -> str | None:
    """Give the id of the trace that this task works for."""
    return _current.get()
