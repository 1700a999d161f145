"""Entries: what was written to a stream of a store, whoever saw it; each entry is told once."""

from seatrial.timeline.timeline import current


def entry(
    stream: str,
    entry_id: str,
    *,
    by: str | None = None,
    detail: str = "",
    request_id: str | None = None,
    trace_id: str | None = None,
    now: bool = False,
) -> None:
    """An entry of a stream, as a suite wrote or read it, or found it at the end of the test.

    `by` is who wrote it, if that is known. It was written now, or at the time in its id, `<Unix milliseconds>-<number>`,
    which every stream of Redis and Valkey has that does not choose its ids itself.
    """
    timeline = current()
    if timeline is None or not timeline.first((stream, entry_id)):
        return
    fields = {"entry_id": entry_id, "by": by, "request_id": request_id, "trace_id": trace_id}
    source, milliseconds = f"stream {stream}", entry_id.partition("-")[0]
    if now or not milliseconds.isdigit():
        timeline.record(source, "entry", detail, **fields)
    else:
        timeline.record_at(int(milliseconds) / 1000, source, "entry", detail, **fields)
