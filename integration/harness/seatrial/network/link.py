"""One direction of a network that can be broken: what is received waits here until the faults in force let it pass."""

import asyncio
import contextlib
import socket
from collections import deque
from typing import Final

_CHUNK: Final = 65536
_BUFFER: Final = 262144
_SLICES_PER_SECOND: Final = 50


class CutError(Exception):
    """Ends a connection from inside one of its tasks."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


class Link:
    """One direction of the network: the faults in force on it, and how fast it was used. Lives in the loop."""

    def __init__(self) -> None:
        self.drops = 0
        self.delays: list[float] = []
        self.rates: list[float] = []
        self.limits: list[Limit] = []
        self.delivered = 0
        self._free_at = 0.0
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Let whoever is held back look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def passage(self, arrived: float) -> None:
        """Return when what arrived at that time may be delivered."""
        loop = asyncio.get_running_loop()
        while True:
            left = arrived + sum(self.delays) - loop.time()
            if not self.drops and left <= 0:
                return
            await self._change(None if self.drops else left)

    async def turn(self, size: int) -> int:
        """Wait for a share of the bandwidth; how many of `size` bytes may go now."""
        loop = asyncio.get_running_loop()
        while self.rates:
            wait = self._free_at - loop.time()
            if wait > 0:
                await self._change(wait)
                continue
            rate = min(self.rates)
            share = min(size, max(1, int(rate / _SLICES_PER_SECOND)))
            self._free_at = loop.time() + share / rate
            return share
        return size

    async def _change(self, at_most: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._changed.wait()


class Limit:
    """A `truncated` fault: what each connection may still deliver."""

    def __init__(self, after_bytes: int) -> None:
        self.after_bytes = after_bytes
        self._left: dict[Pipe, int] = {}

    def left(self, pipe: "Pipe") -> int:
        """Bytes that this direction of a connection has left."""
        return self._left.get(pipe, self.after_bytes)

    def spend(self, pipe: "Pipe", size: int) -> None:
        """Count what was delivered."""
        self._left[pipe] = self.left(pipe) - size


class Pipe:
    """What was received in one direction of a connection and is not delivered yet: b"" is an end, None a reset."""

    def __init__(self) -> None:
        self._items: deque[tuple[float, bytes | None]] = deque()
        self._size = 0
        self._moved = asyncio.Condition()

    async def put(self, item: bytes | None) -> None:
        """Append, and return when there is room for more."""
        arrived = asyncio.get_running_loop().time()
        async with self._moved:
            self._items.append((arrived, item))
            self._size += len(item or b"")
            self._moved.notify_all()
            await self._moved.wait_for(lambda: self._size < _BUFFER)

    async def first(self) -> tuple[float, bytes | None]:
        """The oldest item; it stays until `remove`."""
        async with self._moved:
            await self._moved.wait_for(lambda: bool(self._items))
            return self._items[0]

    async def remove(self) -> None:
        """Drop the oldest item."""
        async with self._moved:
            self._size -= len(self._items.popleft()[1] or b"")
            self._moved.notify_all()


async def receive(source: socket.socket, pipe: Pipe) -> None:
    """Take in what `source` sends until its end or reset, as far as there is room."""
    loop = asyncio.get_running_loop()
    while True:
        data: bytes | None
        try:
            data = await loop.sock_recv(source, _CHUNK)
        except OSError:
            data = None
        await pipe.put(data)
        if not data:
            return


async def deliver(pipe: Pipe, sink: socket.socket, link: Link) -> None:
    """Hand over to `sink` what `link` lets pass, until the end; raises `CutError` when the connection is to go."""
    loop = asyncio.get_running_loop()
    while True:
        arrived, data = await pipe.first()
        await link.passage(arrived)
        if data is None:
            raise CutError(reset=True)
        if not data:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
            return
        rest = memoryview(data)
        while rest:
            size = await link.turn(len(rest))
            await link.passage(arrived)  # a fault may have begun during the wait for bandwidth
            size = min([size, *(limit.left(pipe) for limit in link.limits)])
            try:
                await loop.sock_sendall(sink, rest[:size])
            except OSError:
                raise CutError(reset=True) from None
            link.delivered += size
            rest = rest[size:]
            for limit in link.limits:
                limit.spend(pipe, size)
            if any(limit.left(pipe) <= 0 for limit in link.limits):
                raise CutError(reset=False)
        await pipe.remove()
