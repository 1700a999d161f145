"""Push streams: what a subscriber gets, in which order, and how it ends."""

import threading
from types import TracebackType
from typing import Self, cast

import grpc

from contracts.coverage import Cell, exercised
from contracts.errors import ContractError
from contracts.gateway.edge import (
    CONTRACT,
    SUBSCRIBE,
    Call,
    Edge,
    EventCall,
    Metadata,
    Rejected,
    TransportError,
    rejection,
)
from contracts.wire.gateway.v1 import edge_gateway_pb2 as wire
from seatrial import until

Event = wire.SubscribeEventsResponse


class _Stream:
    """An open call; every event read from it is verified, its end is judged once."""

    def __init__(self, edge: Edge, raw: bytes, request_id: str, metadata: Metadata) -> None:
        self._edge = edge
        self._call = Call(SUBSCRIBE, request_id)
        self._told = edge.told(SUBSCRIBE, raw, metadata)
        self._events: EventCall = edge.subscribe(raw, metadata=metadata)
        self._seen = 0
        self._cancelled = False

    def read(self) -> Event:
        """The next event; raises Rejected, TransportError or ContractError at the end."""
        try:
            event = next(self._events)
        except StopIteration:
            raise ContractError("the stream ended with OK: it has no normal end") from None
        except grpc.RpcError as error:
            # grpcio keeps the status of our own cancel and takes the trailers of an end that crosses it on the wire.
            if self._cancelled and cast(grpc.Call, error).code() is grpc.StatusCode.CANCELLED:
                self._told.told("stream_end", "left by this client")
                raise TransportError("CANCELLED", "by this client") from None
            raise rejection(self._call, "stream" if self._seen else "admission", error, self._told) from None
        self._edge.keys.verify_event(event)
        if self._seen == 0:
            if event.event_type != "gateway.server_time":
                raise ContractError(f"the first event is {event.event_type!r}, not gateway.server_time")
            exercised(Cell(CONTRACT, SUBSCRIBE, "OK"))
            self._told.told("subscribed")
        self._told.told("push", event.event_type, event_id=event.event_id, trace_id=event.trace_id or None)
        self._seen += 1
        return event

    def cancel(self) -> None:
        self._cancelled = True
        self._events.cancel()


class Subscription:
    """A subscriber who reads: `with device.subscribe() as events`. Open when the block begins."""

    def __init__(self, edge: Edge, raw: bytes, request_id: str, metadata: Metadata = ()) -> None:
        self._stream = _Stream(edge, raw, request_id, metadata)
        self._received: list[Event] = []
        self._taken = 0
        self._end: Exception | None = None
        self._reader = threading.Thread(target=self._read, name="subscription", daemon=True)

    def _read(self) -> None:
        try:
            while True:
                self._received.append(self._stream.read())
        except (Rejected, TransportError, ContractError) as end:
            self._end = end

    def __enter__(self) -> Self:
        self._reader.start()
        try:
            self.expect_event("gateway.server_time")
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if kind is None and isinstance(self._end, ContractError):
            raise self._end

    def _close(self) -> None:
        self._stream.cancel()
        self._reader.join()

    def expect_event(self, event_type: str, *, timeout: float = 5.0) -> Event:
        """The next event that nobody took yet, which must be of `event_type`; raises the stream's end if that comes first."""

        def arrived() -> bool:
            return len(self._received) > self._taken or self._end is not None

        until(f"the event {event_type}", arrived, timeout)
        if len(self._received) == self._taken:
            assert_end(self._end)
        event = self._received[self._taken]
        self._taken += 1
        if event.event_type != event_type:
            raise AssertionError(
                f"expected the event {event_type}, got {event.event_type} ({event.payload_bytes[:80]!r})"
            )
        return event

    def expect_end(self, code: str, *, timeout: float = 5.0) -> Rejected:
        """Waits for the end of the stream, which must be the documented `code`; events before it are left out."""
        until(f"the end of the stream with {code}", lambda: self._end is not None, timeout)
        return ended_with(self._end, code)

    def expect_broken(self, *, timeout: float = 5.0) -> TransportError:
        """Waits until the connection below the stream is lost."""
        until("the loss of the stream's connection", lambda: self._end is not None, timeout)
        if isinstance(self._end, TransportError):
            return self._end
        raise AssertionError(f"expected a lost connection, but the stream ended so: {self._end!r}")


class StalledSubscription:
    """A subscriber who opens a stream, takes its first event and then reads no more, until `expect_end` reads the rest."""

    def __init__(self, edge: Edge, raw: bytes, request_id: str, metadata: Metadata = ()) -> None:
        self._stream = _Stream(edge, raw, request_id, metadata)

    def __enter__(self) -> Self:
        try:
            self._stream.read()
        except BaseException:
            self._stream.cancel()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.cancel()

    def expect_end(self, code: str, *, timeout: float = 10.0) -> int:
        """Reads what was on its way, to the end, which must be the documented `code`; returns how many events that were."""
        count, late = 0, threading.Timer(timeout, self._stream.cancel)
        late.start()
        try:
            while True:
                self._stream.read()
                count += 1
        except (Rejected, TransportError) as end:
            ended_with(end, code)
        finally:
            late.cancel()
            late.join()
        return count


def assert_end(end: Exception | None) -> None:
    """Raises how a stream ended."""
    raise end if end is not None else AssertionError("the stream is still open")


def ended_with(end: Exception | None, code: str) -> Rejected:
    """`end` when it is the documented `code`, else AssertionError."""
    if not isinstance(end, Rejected) or end.code != code:
        raise AssertionError(f"expected the stream's end with {code}, got {end!r}")
    return end
