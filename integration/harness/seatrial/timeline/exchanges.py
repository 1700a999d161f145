"""Exchanges: a request of a client and what came back, as a pair of events. For clients of any protocol."""

import time

from seatrial.timeline.timeline import Timeline, current


class Exchange:
    """A request on its way; exactly one of `answered` and `unanswered` ends it, later calls say nothing."""

    def __init__(self, timeline: Timeline | None, source: str, number: int) -> None:
        self._timeline = timeline
        self._source = source
        self._number = number
        self._began = time.monotonic()

    def answered(self, detail: str = "", **fields: object) -> None:
        """A response came; `fields` are for example its `status` and `error_code`."""
        self._end("response", detail, fields)

    def unanswered(self, reason: str) -> None:
        """No response will come, because the connection was refused or lost, or out of patience."""
        self._end("no_answer", reason, {})

    def told(self, kind: str, detail: str = "", **fields: object) -> None:
        """Something happened on the way: a stream was opened, a message of it came."""
        if self._timeline is not None:
            self._timeline.record(self._source, kind, detail, exchange=self._number, **fields)

    def _end(self, kind: str, detail: str, fields: dict[str, object]) -> None:
        self.told(kind, detail, **fields, took_s=round(time.monotonic() - self._began, 6))
        self._timeline = None


def request(
    source: str,
    detail: str,
    *,
    to: str,
    request_id: str | None = None,
    trace_id: str | None = None,
    **fields: object,
) -> Exchange:
    """A client called `source` sends a request to the address `to`, `host:port`; `detail` says which.

    The event names the process, stub or proxy that listens there, when it is the environment's. Nothing is recorded when
    no test is running.
    """
    timeline = current()
    if timeline is None:
        return Exchange(None, source, 0)
    number = timeline.number("exchange")
    timeline.record(
        source,
        "request",
        detail,
        exchange=number,
        to=timeline.name_of(to) or to,
        request_id=request_id,
        trace_id=trace_id,
        **fields,
    )
    return Exchange(timeline, source, number)
