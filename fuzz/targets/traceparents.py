"""What the recommendation says of a `traceparent` (W3C Trace Context, level 1, 3.2 and 4.3): what its readers are held to."""

HEX = frozenset("0123456789abcdef")


def expected(header: str) -> str | None:
    """The trace-id of a valid header, read without a regular expression; None for every other."""
    version, *parts = header.split("-")
    if len(parts) < 3 or (version == "00" and len(parts) > 3) or version == "ff":
        return None
    trace, parent, flags = parts[:3]
    if (len(version), len(trace), len(parent), len(flags)) != (2, 32, 16, 2):
        return None
    if not HEX.issuperset(version + trace + parent + flags) or "\n" in header:
        return None
    return trace if int(trace, 16) and int(parent, 16) else None
