"""W3C Trace Context (level 1): continuing a client's trace towards the services behind the gateway."""

import os

from servicekit import tracing


def child_traceparent(received: str | None, trace_id: str | None = None) -> str:
    """A `traceparent` with a new parent-id for a call that this gateway makes.

    It continues `received` where that is a valid header of any version, else the trace `trace_id`, else a new one.
    """
    parent = tracing.parse(received)
    if parent is not None:
        trace_id, sampled = parent.trace_id, parent.sampled
    else:
        trace_id, sampled = trace_id or _random_id(16), True
    return f"00-{trace_id}-{_random_id(8)}-{sampled:02x}"


def _random_id(size: int) -> str:
    """`size` random bytes in hexadecimal, never all zero."""
    return (os.urandom(size - 1) + bytes([os.urandom(1)[0] | 1])).hex()
