"""A service at the other end of a client: a small HTTP/1.1 server whose answers a test chooses, wrong ones among them."""

import asyncio
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar

C = TypeVar("C")

Answer = tuple[int, object] | bytes | Literal["hang", "drop"]
"""A status and a document, raw bytes, no answer at all, or the end of the connection."""


@dataclass(frozen=True)
class Asked:
    """A request. The names of the headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Peer(ABC, Generic[C]):
    """What its kinds have in common: the connections, and the calls that they recorded."""

    def __init__(self) -> None:
        self.calls: list[C] = []
        self._arrived = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def answer(self, asked: Asked) -> Answer:
        """Give the answer to a request, after `record`."""

    async def record(self, call: C) -> None:
        """Keep a call, and tell those who wait in `called`."""
        async with self._arrived:
            self.calls.append(call)
            self._arrived.notify_all()

    async def called(self, times: int) -> None:
        """Wait until it was asked so often. Raises TimeoutError after 10 s."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) >= times)

    async def __aenter__(self) -> Self:
        """Listen, at `url`."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = "http://{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a connection is served by a task")
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = head[0].split(" ")
        match await self.answer(Asked(method, path, headers, body)):
            case "hang":
                await asyncio.Event().wait()
            case "drop":
                return False
            case bytes() as raw:
                writer.write(raw)
            case (status, document):
                content = json.dumps(document).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                    % (status, len(content), content)
                )
        await writer.drain()
        return True
