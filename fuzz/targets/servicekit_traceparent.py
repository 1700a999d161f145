"""Target: `traceparent` (W3C Trace Context, level 1, 3.2 and 4.3), as every service reads it."""

from servicekit.tracing import trace_id

from targets.traceparents import expected


def check(data: bytes) -> bool:
    """A trace-id comes from a valid header, and from every one: four parts in version 00, at least four in a later one."""
    header = data.decode("latin-1")
    found = trace_id(header)
    assert found == expected(header)
    return found is not None
