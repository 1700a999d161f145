"""A socket before Docker's own, which can be cut, and can hold a request before Docker gets it or an answer on its way back."""

import asyncio
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_VERSION: Final = re.compile(r"^/v[0-9.]+")
TIMEOUT_S: Final = 30.0


def docker_socket() -> str:
    """The path of the machine's Docker socket; the tests need one that is local, as rtmanager's state directories do."""
    parts = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    assert parts.scheme == "unix", (
        "the suite needs a local engine: unset DOCKER_HOST or name a unix:// socket"
    )
    return unquote(parts.path)


@dataclass(eq=False)
class Hold:
    """A request that is held, once: the ``nth`` that matches."""

    pattern: re.Pattern[str]
    when: Literal["before", "after"]
    nth: int
    seen: int = 0
    used: bool = False
    #: Given back instead of asking Docker, if set before the release.
    answer: bytes | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Wait until the request has come."""
        assert self.reached.wait(TIMEOUT_S), "the request that was to be held did not come"

    def release(self) -> None:
        """Let it go on."""
        self.released.set()


class DockerProxy:
    """The proxy, as a context; ``url`` is what takes Docker's place."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "docker.sock"
        self.url = f"unix://{self.path}"
        #: Method and path of every request, without the version.
        self.requests: list[tuple[str, str]] = []
        self._target = docker_socket()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="docker-proxy", daemon=True)
        self._holds: list[Hold] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut = False

    def __enter__(self) -> "DockerProxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        for hold in self._holds:
            hold.release()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Docker is away: connections end, and new ones are refused."""
        asyncio.run_coroutine_threadsafe(self._set_cut(cut=True), self._loop).result(TIMEOUT_S)
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(self._set_cut(cut=False), self._loop).result(TIMEOUT_S)

    async def _set_cut(self, *, cut: bool) -> None:
        self._cut = cut
        for writer in list(self._open) if cut else ():
            writer.transport.abort()

    def hold(self, pattern: str, *, when: Literal["before", "after"] = "before", nth: int = 1) -> Hold:
        """Hold the nth request from now on whose ``METHOD /path`` begins so: before Docker gets it, or its answer."""
        hold = Hold(re.compile(pattern), when, nth)
        self._holds.append(hold)
        return hold

    def _held(self, method: str, path: str) -> Hold | None:
        for hold in self._holds:
            if not hold.used and hold.pattern.match(f"{method} {unquote(path)}"):
                hold.seen += 1
                if hold.seen == hold.nth:
                    hold.used = True
                    return hold
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            if not self._cut:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await self._relay(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_unix_connection(self._target)
        self._open.add(downstream)
        holds: list[Hold] = []
        answers = asyncio.create_task(self._answers(upstream, writer, holds))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1])) if length else b""
                method, target, _ = head.decode("latin-1").split(" ", 2)
                path = _VERSION.sub("", target)
                self.requests.append((method, path))
                hold = self._held(method, path)
                if hold is not None and hold.when == "before":
                    hold.reached.set()
                    await asyncio.to_thread(hold.released.wait)
                    if hold.answer is not None:
                        writer.write(hold.answer)
                        continue
                elif hold is not None:
                    holds.append(hold)
                downstream.write(head + body)
                await downstream.drain()
        finally:
            answers.cancel()
            self._open.discard(downstream)
            downstream.transport.abort()

    async def _answers(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, holds: list[Hold]
    ) -> None:
        with suppress(ConnectionError):
            while data := await upstream.read(65536):
                if holds:
                    hold = holds.pop()
                    hold.reached.set()
                    await asyncio.to_thread(hold.released.wait)
                writer.write(data)
                await writer.drain()
        writer.close()
