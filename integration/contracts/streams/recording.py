"""Entries of the published streams as the timeline of a test tells them: who wrote which, and to whose trace it belongs."""

import functools
from collections.abc import Mapping
from typing import Any, Final

from contracts.streams import schema
from seatrial.timeline.entries import entry

_KINDS: Final = ("event_type", "notification_type", "event", "operation", "template", "reason")
"""What says of an entry what it is about, and of nobody who it is about."""
_MOST: Final = 1000
"""How many entries of a stream are told at the end of a test."""


def tell(
    stream: str, entry_id: str, fields: Mapping[str, Any], *, by: str | None = None, now: bool = False
) -> None:
    """Tells of an entry, once; `by` is who wrote it, by default whom the entry or the contracts name."""

    def text(name: str) -> str | None:
        value = fields.get(name)
        return value if isinstance(value, str) and value else None

    entry(
        stream,
        entry_id,
        by=by or text("producer") or _writer(stream),
        detail=next((kind for kind in map(text, _KINDS) if kind), ""),
        request_id=text("request_id"),
        trace_id=text("trace_id"),
        now=now,
    )


def gather(client: Any) -> None:
    """Tells of every entry that the published streams of a Redis still hold; `client` is a redis-py client."""
    streams = schema.streams()
    asked = client.pipeline(transaction=False)
    for stream in streams:
        # Not decoded by the client: what was set aside may hold any bytes.
        asked.execute_command("XRANGE", stream, "-", "+", "COUNT", _MOST, NEVER_DECODE=True)
    for stream, entries in zip(streams, asked.execute(), strict=True):
        for entry_id, fields in entries:
            tell(stream, entry_id.decode(), texts(fields))


def texts(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """The fields of an entry as text, whatever bytes they hold."""
    return {name.decode(): value.decode("utf-8", "backslashreplace") for name, value in fields.items()}


@functools.cache
def _writer(stream: str) -> str | None:
    """The only one who may write a stream; None when there are several."""
    known = schema.publishers().get(stream)
    if known is None or known.open:
        return None
    writers = frozenset().union(*(each.writers(stream) for each in (*known.readers, *known.writers)))
    return next(iter(writers)) if len(writers) == 1 else None
