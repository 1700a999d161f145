"""What an engine says by itself: one stream of events per process, heard by the containers that they are about."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from seatrial.containers.engine import Engine, EngineError
from seatrial.containers.ownership import RUN_LABEL
from seatrial.containers.streams import Documents
from seatrial.waiting import WATCH

_OVERLAP_S: Final = 2.0
"""How far back a new stream begins: the engine subscribes a moment after it has answered, and clocks differ by a second."""
_RETRY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Something that happened to a container: `at` is Unix time in seconds by the engine's clock."""

    at: float
    container: str
    action: str
    attributes: Mapping[str, str]

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """As the engine writes it; raises ValueError for a document that is no event of a container."""
        match document:
            case {
                "timeNano": int(nanoseconds),
                "Action": str(action),
                "Actor": {"ID": str(container), "Attributes": Mapping() as attributes},
            } if container and 0 <= nanoseconds < 1 << 63:
                return cls(nanoseconds / 1e9, container, action, attributes)
        raise ValueError(f"no event of a container: {str(document)[:200]}")


Listener = Callable[[EngineEvent], None]


class EventStream:
    """The events of this run's containers. Listeners are called in its thread, and must not block.

    While the engine cannot be heard every wait fails with that; once it can be heard again, `caught_up` is called for
    each listener, to look for itself at what it missed.
    """

    _current: ClassVar[Self | None] = None
    _creation: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._lock = threading.Lock()
        self._listeners: dict[str, tuple[Listener, Callable[[], object]]] = {}
        self._ended = threading.Event()
        self._hears = threading.Event()
        self._hears.set()
        self._since = engine.now - _OVERLAP_S
        self._seen: set[tuple[float, str, str]] = set()
        self._stream = self._open()
        self._thread = threading.Thread(target=self._pump, name="seatrial-engine-events", daemon=True)
        self._thread.start()

    @classmethod
    def current(cls) -> Self:
        """The stream of this process."""
        engine = Engine.current()
        with cls._creation:
            if cls._current is None or cls._current.engine is not engine:
                cls.close_current()
                cls._current = cls(engine)
                engine.at_end.append(cls._current.close)
            return cls._current

    @classmethod
    def close_current(cls) -> None:
        """End the stream of this process, if there is one."""
        stream, cls._current = cls._current, None
        if stream is not None:
            stream.close()

    @classmethod
    def forget_inherited(cls) -> None:
        """In a forked child: the thread is its parent's."""
        cls._current, cls._creation = None, threading.Lock()

    def wait_heard(self, seconds: float) -> bool:
        """Wait until the engine can be heard, if it cannot just now; False when the time is over."""
        return self._hears.wait(seconds)

    def listen(self, container: str, listener: Listener, caught_up: Callable[[], object]) -> None:
        """Have `listener` called for each event of a container from now on."""
        with self._lock:
            self._listeners[container] = (listener, caught_up)

    def forget(self, container: str) -> None:
        """End that."""
        with self._lock:
            self._listeners.pop(container, None)

    def close(self) -> None:
        """End the stream and its thread."""
        self._ended.set()
        self._stream.close()
        self._thread.join()
        WATCH.retract(self)

    def _open(self) -> Documents:
        filters = {"type": ["container"], "label": [f"{RUN_LABEL}={self.engine.owner.run}"]}
        return Documents(self.engine.place, "/events", since=f"{self._since:.6f}", filters=filters)

    def _pump(self) -> None:
        while not self._ended.is_set():
            with self._stream as stream:
                for document in stream:
                    with contextlib.suppress(ValueError):  # of something else, which nobody listens for
                        self._heard(EngineEvent.parse(document))
            self._hears.clear()
            if not self._ended.is_set():
                self._reconnect()

    def _heard(self, event: EngineEvent) -> None:
        self._since = max(self._since, event.at - _OVERLAP_S)
        key = (event.at, event.container, event.action)
        if key in self._seen:  # told again, because a stream begins a little before the end of the one before
            return
        self._seen.add(key)
        with self._lock:
            listener, _ = self._listeners.get(event.container, (None, None))
        if listener is not None:
            listener(event)

    def _reconnect(self) -> None:
        since = time.monotonic()
        while not self._ended.is_set():
            try:
                self._stream = self._open()
            except EngineError as error:
                WATCH.report(self, f"the container engine cannot be heard any more: {error}")
                self._ended.wait(_RETRY_S)
                continue
            WATCH.retract(self)
            self._seen = {key for key in self._seen if key[0] >= self._since}
            with self._lock:
                missed = [caught_up for _, caught_up in self._listeners.values()]
            for caught_up in missed:
                with contextlib.suppress(EngineError):
                    caught_up()
            self._hears.set()
            if time.monotonic() - since < _RETRY_S:
                self._ended.wait(_RETRY_S)
            return


os.register_at_fork(after_in_child=EventStream.forget_inherited)
