"""Steady traffic of one device while something happens, and what became of each request."""

import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

from contracts.gateway.device import Device
from contracts.gateway.edge import Rejected
from contracts.gateway.envelope import Envelope
from seatrial import until


class Traffic:
    """`with Traffic(device) as traffic`: each device sends one command after the other, each with an id of its own."""

    def __init__(self, *devices: Device) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(device,), daemon=True) for device in devices
        ]
        self._failure: BaseException | None = None
        self.told: Counter[str] = Counter()
        """How many requests were told what: "accepted" or a code."""
        self.accepted: list[tuple[Device, Envelope]] = []
        self.refused: list[tuple[Device, Envelope]] = []

    def _run(self, device: Device) -> None:
        while not self._stop.is_set() and self._failure is None:
            envelope = device.envelope()
            try:
                device.send(envelope)
            except Rejected as refused:
                self.told[refused.code] += 1
                self.refused.append((device, envelope))
            except BaseException as error:  # noqa: BLE001  (raised in the test's thread)
                self._failure = error
            else:
                self.told["accepted"] += 1
                self.accepted.append((device, envelope))

    def expect(self, code: str, times: int = 3) -> None:
        """Waits until `code` was told so many times more."""
        goal = self.told[code] + times
        until(
            f"{times} requests to be told {code}", self._when(lambda: self.told[code] >= goal), timeout=10.0
        )

    def _when(self, condition: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: self._failure is not None or condition()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._failure is not None and kind is None:
            raise self._failure
