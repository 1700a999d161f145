"""Subscribers of one user's events, and when the last of them had one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self

import grpc

from contracts.gateway.device import Device
from contracts.gateway.edge import EventCall
from contracts.gateway.subscription import Event
from contracts.streams.redis_streams import Streams

EVENT_TYPE: Final = "game.turn_ready"
_PATIENCE_S: Final = 10.0


class Fan:
    """Open push streams, one of each device, all of one user.

    What arrives is stamped at once and verified after the measurement: a signature's check costs the reader as much as the
    gateway's signing, and would be measured as if it were the gateway's.
    """

    def __init__(self, streams: Streams, user_id: str, devices: list[Device]) -> None:
        self._streams = streams
        self._user_id = user_id
        self._keys = devices[0].edge.keys
        self._changed = threading.Condition()
        self._arrived: list[tuple[float, Event]] = []
        self._ends: list[str] = []
        self._leaving = False
        self._calls = [_open(device) for device in devices]
        self._threads = [
            threading.Thread(target=self._read, args=(call,), name="subscriber", daemon=True)
            for call in self._calls
        ]

    @classmethod
    @contextmanager
    def open(cls, streams: Streams, user_id: str, devices: list[Device]) -> Iterator[Self]:
        """All streams, each of which has had its first event."""
        fan = cls(streams, user_id, devices)
        for thread in fan._threads:
            thread.start()
        try:
            fan._take("gateway.server_time")
            yield fan
        finally:
            fan._leaving = True
            for call in fan._calls:
                call.cancel()
            for thread in fan._threads:
                thread.join()

    def _read(self, call: EventCall) -> None:
        try:
            while True:
                event = next(call)
                now = time.monotonic()
                with self._changed:
                    self._arrived.append((now, event))
                    if len(self._arrived) == len(self._calls):
                        self._changed.notify_all()
        except (grpc.RpcError, StopIteration) as end:
            with self._changed:
                if not self._leaving:
                    self._ends.append(str(end) or type(end).__name__)
                self._changed.notify_all()

    def push(self) -> float:
        """Milliseconds from before the XADD of an event until the last subscriber has it."""
        begun = time.monotonic()
        event_id = self._streams.publish_event(EVENT_TYPE, self._user_id)
        return (self._take(EVENT_TYPE, event_id) - begun) * 1000

    def _take(self, event_type: str, event_id: str | None = None) -> float:
        """When the last subscriber had the next event. Raises AssertionError for another event, none, or an end."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._arrived) >= len(self._calls) or self._ends, _PATIENCE_S)
            arrived, self._arrived = self._arrived, []
            ends = list(self._ends)
        if ends or len(arrived) != len(self._calls):
            raise AssertionError(
                f"{len(arrived)} of {len(self._calls)} subscribers got {event_type} within {_PATIENCE_S:g} s; ends: {ends[:3]}"
            )
        for _, event in arrived:
            self._keys.verify_event(event)
            if event.event_type != event_type or event_id not in (None, event.event_id):
                raise AssertionError(
                    f"expected {event_type} {event_id}, got {event.event_type} {event.event_id}"
                )
        return max(at for at, _ in arrived)


def _open(device: Device) -> EventCall:
    return device.edge.subscribe(device.subscription().encoded(device.key))
