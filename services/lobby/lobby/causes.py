"""Who or what a change comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """What is known of the cause of a change, for those who are told of it."""

    actor: str | None
    """The user who did it, and so need not be told; None for a service, an entry of a stream, time."""
    request_id: str
    """1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    trace_id: str = ""
    """A W3C trace-id, or empty."""
