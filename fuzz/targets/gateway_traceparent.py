"""Target: `traceparent` of a client (W3C Trace Context, level 1)."""

import re

from gateway.tracing import child_traceparent

OURS = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])")


def check(data: bytes) -> bool:
    """What is sent on is always valid, has a new parent, and continues a trace that the received header names."""
    received = data.decode("latin-1")
    sent = OURS.fullmatch(child_traceparent(received))
    assert sent is not None
    assert int(sent[1], 16)
    assert int(sent[2], 16)
    parts = received.split("-")
    if len(parts) < 4 or parts[1] != sent[1]:
        return False
    assert parts[2] != sent[2]
    assert (parts[0] == "00") <= (len(parts) == 4)
    assert parts[0] != "ff"
    assert int(parts[3], 16) & 1 == int(sent[3])
    return True
