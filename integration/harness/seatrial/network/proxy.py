"""A TCP proxy that can break the network between two processes, and mend it again.

It forwards faithfully: half-closes, resets and back-pressure pass through, at most 256 KiB wait in each direction of a
connection. Faults are context managers named after their effect, in force for established and new connections alike until
the block ends; what a fault held back is then delivered, in order, as TCP would after a partition.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from seatrial.errors import SeatrialError
from seatrial.network.link import CutError, Limit, Link, Pipe, deliver, receive
from seatrial.processes.listener import Address, Reservation
from seatrial.processes.supervisor import Supervisor
from seatrial.timeline.faults import fault

Direction = Literal["both", "to_target", "to_client"]
_Way = Literal["to_target", "to_client"]
_WAYS: Final[tuple[_Way, ...]] = ("to_target", "to_client")
# l_onoff = 1, l_linger = 0: close() discards what is unsent and sends RST (socket(7)).
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Stats:
    """What a proxy has seen since it started."""

    connections: int
    """Connections accepted."""
    active: int
    """Of these, open now."""
    unreachable: int
    """Of these, reset because the target could not be reached."""
    bytes_to_target: int
    """Bytes delivered to the target."""
    bytes_to_client: int
    """Bytes delivered to clients."""


class Proxy:
    """A TCP endpoint of its own in front of `target`, an address or the path of a Unix socket.

    `target` may be set at any time, for the connections that follow. When it cannot be reached the client's
    connection is reset: a proxy has accepted it by then.
    """

    def __init__(self, target: Address | Path, *, host: str = "127.0.0.1", name: str = "") -> None:
        self.target = target
        self.name = name or f"proxy to {target}"
        self._reservation = Reservation(host)
        self.address: Final = self._reservation.address
        self._supervisor = Supervisor.current()
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], list[socket.socket]] = {}
        self._links: dict[_Way, Link] = {way: Link() for way in _WAYS}
        self._refusals = 0
        self._resets = 0
        self._accepted = 0
        self._unreachable = 0
        self._failure: BaseException | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Proxy {self.address} -> {self.target}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def start(self) -> Self:
        """Listen; a client can connect when this returns."""
        self._run(self._start())
        return self

    def close(self) -> None:
        """Stop listening and close every connection.

        Raises `SeatrialError` when forwarding itself had failed meanwhile, for want of descriptors.
        """
        if self._closed:
            return
        self._closed = True
        self._run(self._close())
        self._reservation.close()
        if self._failure is not None:
            raise SeatrialError(f"{self} failed meanwhile: {self._failure!r}") from self._failure

    @property
    def stats(self) -> Stats:
        """Connections and bytes so far."""
        return Stats(
            connections=self._accepted,
            active=len(self._connections),
            unreachable=self._unreachable,
            bytes_to_target=self._links["to_target"].delivered,
            bytes_to_client=self._links["to_client"].delivered,
        )

    # -- faults

    @contextlib.contextmanager
    def drop_traffic(self, direction: Direction = "both") -> Iterator[None]:
        """Nothing arrives: no byte, no end, no reset. A connect succeeds (the kernel answers it), and then hears nothing."""
        links = self._on(direction)
        self._run(self._apply(links, lambda link: setattr(link, "drops", link.drops + 1)))
        try:
            with fault(self.name, "drop_traffic", direction):
                yield
        finally:
            self._run(self._apply(links, lambda link: setattr(link, "drops", link.drops - 1)))

    @contextlib.contextmanager
    def delayed(self, seconds: float, direction: Direction = "both") -> Iterator[None]:
        """Everything arrives `seconds` later, each way; the bandwidth is at most 256 KiB in that time."""
        _require(seconds > 0, f"delayed({seconds!r}): give seconds above 0")
        links = self._on(direction)
        self._run(self._apply(links, lambda link: link.delays.append(seconds)))
        try:
            with fault(self.name, "delayed", f"{seconds:g} s {direction}"):
                yield
        finally:
            self._run(self._apply(links, lambda link: link.delays.remove(seconds)))

    @contextlib.contextmanager
    def throttled(self, bytes_per_second: float, direction: Direction = "both") -> Iterator[None]:
        """All connections together get `bytes_per_second`, each way."""
        _require(bytes_per_second > 0, f"throttled({bytes_per_second!r}): give bytes per second above 0")
        links = self._on(direction)
        self._run(self._apply(links, lambda link: link.rates.append(bytes_per_second)))
        try:
            with fault(self.name, "throttled", f"{bytes_per_second:g} B/s {direction}"):
                yield
        finally:
            self._run(self._apply(links, lambda link: link.rates.remove(bytes_per_second)))

    @contextlib.contextmanager
    def truncated(self, after_bytes: int, direction: Direction = "to_client") -> Iterator[None]:
        """Each connection is closed once `after_bytes` more bytes were delivered on it (0: instead of the next one)."""
        _require(after_bytes >= 0, f"truncated({after_bytes!r}): give a number of bytes from 0 up")
        links = self._on(direction)
        limit = Limit(after_bytes)
        self._run(self._apply(links, lambda link: link.limits.append(limit)))
        try:
            with fault(self.name, "truncated", f"after {after_bytes} bytes {direction}"):
                yield
        finally:
            self._run(self._apply(links, lambda link: link.limits.remove(limit)))

    @contextlib.contextmanager
    def refused(self) -> Iterator[None]:
        """New connections are refused; the port stays ours. Established ones live on."""
        self._run(self._refuse(+1))
        try:
            with fault(self.name, "refused"):
                yield
        finally:
            self._run(self._refuse(-1))

    @contextlib.contextmanager
    def reset(self) -> Iterator[None]:
        """Established connections are reset (RST) on both sides, and new ones as soon as they were accepted."""
        self._run(self._reset_all(+1))
        try:
            with fault(self.name, "reset"):
                yield
        finally:
            self._run(self._reset_all(-1))

    # -- in the loop

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._supervisor.run(work)

    def _on(self, direction: Direction) -> list[Link]:
        _require(
            direction in ("both", *_WAYS), f"direction {direction!r} is not both, to_target or to_client"
        )
        return [self._links[way] for way in _WAYS if direction in ("both", way)]

    async def _apply(self, links: list[Link], change: Callable[[Link], None]) -> None:
        for link in links:
            change(link)
            link.changed()

    async def _start(self) -> None:
        if self._listening is None:
            self._listen()

    async def _close(self) -> None:
        self._deafen()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _refuse(self, change: int) -> None:
        self._refusals += change
        if self._closed:
            return
        if self._refusals and self._listening is not None:
            self._deafen()
        elif not self._refusals and self._listening is None:
            self._listen()

    async def _reset_all(self, change: int) -> None:
        self._resets += change
        if change < 0:
            return
        tasks = list(self._connections)
        for task in tasks:
            for each in self._connections[task]:
                _reset_on_close(each)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listen(self) -> None:
        self._listening = self._reservation.listen()
        self._listening.setblocking(False)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(self._listening))

    def _deafen(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
        if self._listening is not None:
            # The reader of a cancelled accept must not outlive its descriptor, whose number may be used again at once.
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listening)
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._failure = error
                return
            self._accepted += 1
            if self._resets:
                _reset_on_close(client)
                client.close()
                continue
            sockets = [client]
            task = loop.create_task(self._serve(sockets))
            self._connections[task] = sockets
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        if not task.cancelled():
            self._failure = self._failure or task.exception()

    async def _serve(self, sockets: list[socket.socket]) -> None:
        try:
            target = await self._connect(sockets)
            client = sockets[0]
            pipes = {way: Pipe() for way in _WAYS}
            async with asyncio.TaskGroup() as group:
                group.create_task(receive(client, pipes["to_target"]))
                group.create_task(receive(target, pipes["to_client"]))
                group.create_task(deliver(pipes["to_target"], target, self._links["to_target"]))
                group.create_task(deliver(pipes["to_client"], client, self._links["to_client"]))
        except* CutError as cut:
            if any(isinstance(each, CutError) and each.reset for each in cut.exceptions):
                for each in sockets:
                    _reset_on_close(each)
        finally:
            for each in sockets:
                each.close()

    async def _connect(self, sockets: list[socket.socket]) -> socket.socket:
        loop = asyncio.get_running_loop()
        await self._links["to_target"].passage(loop.time())
        family, where = _place(self.target)
        connection = socket.socket(family, socket.SOCK_STREAM)
        sockets.append(connection)
        for each in sockets:
            each.setblocking(False)
            if each.family != socket.AF_UNIX:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await loop.sock_connect(connection, where)
        except OSError:
            self._unreachable += 1
            raise CutError(reset=True) from None
        return connection


def _place(target: Address | Path) -> tuple[socket.AddressFamily, Any]:
    """What a socket needs to reach a target."""
    if isinstance(target, Path):
        return socket.AF_UNIX, str(target)
    return socket.AF_INET6 if ":" in target.host else socket.AF_INET, (target.host, target.port)


def _reset_on_close(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise SeatrialError(message)
