"""Target: `traceparent` (W3C Trace Context, level 1, 3.2 and 4.3), as the timeline reads it."""

from seatrial.timeline.tracecontext import trace_id_of

HEX = frozenset("0123456789abcdef")


def check(data: bytes) -> bool:
    """A trace-id comes from a valid header, and from every one: four parts in version 00, at least four in a later one."""
    header = data.decode("latin-1")
    found = trace_id_of(header)
    assert found == expected(header)
    return found is not None


def expected(header: str) -> str | None:
    """What the recommendation says, read without a regular expression."""
    version, *parts = header.split("-")
    if len(parts) < 3 or (version == "00" and len(parts) > 3) or version == "ff":
        return None
    trace, parent, flags = parts[:3]
    if (len(version), len(trace), len(parent), len(flags)) != (2, 32, 16, 2):
        return None
    if not HEX.issuperset(version + trace + parent + flags) or "\n" in header:
        return None
    return trace if int(trace, 16) and int(parent, 16) else None
