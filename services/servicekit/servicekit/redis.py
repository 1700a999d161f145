"""An asyncio client for Redis and Valkey: one pipelined connection on hiredis' parser.

Not redis-py: importing redis.asyncio costs a service 117 to 141 ms of its boot (see README.md for the runs), as much as
asyncio itself, and services use a dozen commands. The protocol (RESP2) is parsed by the same C library, hiredis.

Concurrent commands share the connection: each is written at once and answered in order, so there is no pool to run dry
and no round trip to wait for. What must not be shared is given its own client (:meth:`Redis.sibling`): commands that block.
"""

import asyncio
import hashlib
import re
import socket
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from servicekit.failures import Unavailable, why

Argument = bytes | str | int | float
Command = Sequence[Argument]
#: RESP2: a bulk string is bytes, a status too, an absent value is None.
Reply = Any

#: Replies that say that the server cannot serve now, not that the command is wrong.
_NOT_NOW: Final = frozenset(
    {"LOADING", "MASTERDOWN", "READONLY", "MISCONF", "NOREPLICAS", "CLUSTERDOWN", "OOM"}
)
_INCOMPLETE: Final = object()
_DATABASE: Final = re.compile(r"[0-9]{1,9}")


class RedisError(Exception):
    """A command failed."""


class RedisUnavailable(RedisError, Unavailable):
    """The server could not be reached, or did not answer in time. Whether it has done the work is unknown."""


class RedisReplyError(RedisError):
    """The server refused the command. ``code`` is the first word of its reply, such as ``WRONGTYPE``."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(" ")[0]


class Script:
    """A Lua script, sent whole only to a server that does not have it yet."""

    __slots__ = ("sha", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        # The protocol names scripts by SHA-1; nothing rests on its strength.
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Watcher(Protocol):
    """Who wants to know whether the server answers; a health.Dependency is one."""

    def up(self) -> None:
        """It answered."""

    def down(self, reason: str) -> None:
        """It did not."""


class _Connection(asyncio.Protocol):
    """One connection; replies are given to the waiting commands in order."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._retired = False
        self._lost: str | None = None
        self.usable = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        sock: socket.socket = transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _INCOMPLETE:
                if not self._waiting:
                    self._lose("malformed reply: nobody asked for it")
                    return
                future = self._waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except (hiredis.ProtocolError, TypeError) as problem:  # a TypeError for a map whose key is a map
            self._lose(f"malformed reply: {problem}")
            return
        if self._retired:
            self._close_if_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(str(exc) if exc is not None else "connection closed by the server")

    def _lose(self, reason: str) -> None:
        self.usable = False
        self._lost = self._lost or reason
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(RedisUnavailable(reason))
        self._transport.abort()

    def send(self, commands: Sequence[Command]) -> list[asyncio.Future[Reply]]:
        """Write the commands in one piece, so that nothing comes between them. Raises RedisUnavailable."""
        if self._lost is not None:  # between the end of connecting and this call
            raise RedisUnavailable(self._lost)
        loop = asyncio.get_running_loop()
        packed = b"".join([_pack(command) for command in commands])
        futures: list[asyncio.Future[Reply]] = [loop.create_future() for _ in commands]
        self._waiting.extend(futures)
        self._transport.write(packed)
        return futures

    def retire(self) -> None:
        """Take no new commands; close once nobody waits any more.

        A connection that was silent for a whole deadline may be dead without anybody telling (a lost peer, a firewall):
        only a new one can find out. What others still wait for on it keeps its own deadline.
        """
        self.usable = False
        self._retired = True
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if all(future.done() for future in self._waiting):
            self._transport.abort()

    def close(self) -> None:
        self._lose("the client was closed")


class _Target:
    """What a URL says: where the server is and how to sign in."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.path: str | None = None
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or 6379
        if parts.scheme == "unix":
            self.path = unquote(parts.path)
            database = parse_qs(parts.query).get("db", ["0"])[0]
        elif parts.scheme == "redis":
            database = parts.path.strip("/") or "0"
        else:
            raise ValueError(f"{parts.scheme!r} is not a Redis URL's scheme (give redis:// or unix://)")
        if _DATABASE.fullmatch(database) is None:
            raise ValueError(f"{database!r} is not a database's number (give redis://host:port/0)")
        self.database = int(database)
        self.username = unquote(parts.username or "")
        self.password = unquote(parts.password or "")

    def greeting(self, name: str) -> list[Command]:
        """Give the first commands of a connection."""
        commands: list[Command] = []
        if self.password:
            commands.append(
                ("AUTH", self.username, self.password) if self.username else ("AUTH", self.password)
            )
        # Never empty: a server that is stopped still accepts connections, only an answer shows that it runs.
        commands.append(("CLIENT", "SETNAME", name))
        if self.database:
            commands.append(("SELECT", self.database))
        return commands


class Redis:
    """A client that connects when it is first used, and again when the connection was lost.

    No command is repeated by itself: after RedisUnavailable it is unknown whether the server has done it.
    """

    def __init__(
        self, url: str, *, timeout: float = 1.0, connect_timeout: float = 1.0, name: str = "servicekit"
    ) -> None:
        """``timeout`` is each command's deadline in seconds, connecting included; ``name`` is shown by CLIENT LIST.

        ``url`` is ``redis://[user:password@]host[:port][/database]`` or ``unix:///path[?db=number]``; raises ValueError.
        """
        self._url = url
        self._target = _Target(url)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._name = name
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None
        self._watcher: Watcher | None = None
        self._closed = False

    def sibling(self, name: str) -> "Redis":
        """Give another client of the same server, for commands that block. Its watcher is the same."""
        sibling = Redis(self._url, timeout=self._timeout, connect_timeout=self._connect_timeout, name=name)
        sibling._watcher = self._watcher
        return sibling

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` at each command whether the server answered."""
        self._watcher = watcher

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close; what still waits for an answer gets RedisUnavailable."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def execute(
        self,
        *command: Argument,
        timeout: float | None = None,  # noqa: ASYNC109 - the client's deadline is meant, and retires its connection
    ) -> Reply:
        """Run one command, within ``timeout`` seconds if another deadline than the client's is wanted.

        Raises RedisUnavailable or RedisReplyError.
        """
        return _checked((await self._run([command], timeout))[0])

    async def pipeline(self, commands: Sequence[Command]) -> list[Reply]:
        """Run commands in one round trip, not atomically. Raises the first one's error, after all have run."""
        return [_checked(reply) for reply in await self._run(commands, None)]

    async def transaction(self, commands: Sequence[Command]) -> list[Reply]:
        """Run commands atomically (MULTI, EXEC) in one round trip.

        A command that is malformed makes none of them run; one that fails while running does not undo the others.
        Raises the first one's error.
        """
        *queued, outcome = await self._run([("MULTI",), *commands, ("EXEC",)], None)
        for reply in queued:
            _checked(reply)
        return [_checked(reply) for reply in _checked(outcome)]

    async def run(
        self, script: Script, keys: Sequence[Argument] = (), arguments: Sequence[Argument] = ()
    ) -> Reply:
        """Run a script; atomic. Raises RedisUnavailable or RedisReplyError."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.execute("EVALSHA", script.sha, *rest)
        except RedisReplyError as error:
            if error.code != "NOSCRIPT":
                raise
            return await self.execute("EVAL", script.source, *rest)

    async def ping(self) -> None:
        """Ask whether the server answers; raises RedisError if it does not."""
        await self.execute("PING")

    async def _run(self, commands: Sequence[Command], deadline: float | None) -> list[Reply]:
        deadline = self._timeout if deadline is None else deadline
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(deadline):
                connection = await self._connected()
                replies = await asyncio.gather(*connection.send(commands))
        except TimeoutError:
            if connection is not None:
                connection.retire()
            self._report(f"no answer within {deadline:g} s")
            raise RedisUnavailable(f"no answer within {deadline:g} s") from None
        except RedisUnavailable as problem:
            self._report(str(problem))
            raise
        if self._watcher is not None:
            self._watcher.up()
        return replies

    def _report(self, reason: str) -> None:
        if self._watcher is not None and not self._closed:
            self._watcher.down(reason)

    async def _connected(self) -> _Connection:
        if self._closed:
            raise RedisUnavailable("the client was closed")
        while True:
            if self._connection is not None and self._connection.usable:
                return self._connection
            # One that has failed is of no use to who comes before its callback: awaiting it again would never yield.
            begun = self._connecting is not None and not self._connecting.done()
            if self._connecting is None or self._connecting.done():
                self._connecting = asyncio.create_task(self._connect(), name=f"redis-connect-{self._name}")
                self._connecting.add_done_callback(self._connect_done)
            try:
                # Shielded: one who gives up must not take the connection from those who wait with him.
                return await asyncio.shield(self._connecting)
            except RedisUnavailable:
                # An attempt that another one began may have failed for what was true then and no longer is.
                if not begun:
                    raise

    def _connect_done(self, task: asyncio.Task[_Connection]) -> None:
        if self._connecting is task:
            self._connecting = None
        if not task.cancelled() and task.exception() is None:
            self._connection = task.result()
            if self._closed:  # closed between the end of the task and this callback
                self._connection.close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        target = self._target
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(self._connect_timeout):
                if target.path is not None:
                    _, connection = await loop.create_unix_connection(_Connection, target.path)
                else:
                    _, connection = await loop.create_connection(_Connection, target.host, target.port)
                for reply in await asyncio.gather(*connection.send(target.greeting(self._name))):
                    _checked(reply)
        except BaseException as problem:
            if connection is not None:
                connection.close()
            if isinstance(problem, TimeoutError):
                raise RedisUnavailable(f"no connection within {self._connect_timeout:g} s") from None
            if isinstance(problem, RedisReplyError):  # refused to let us in
                raise RedisUnavailable(str(problem)) from None
            if isinstance(problem, OSError):
                raise RedisUnavailable(why(problem)) from None
            raise
        return connection


def _pack(command: Command) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub's tuple has one element
    return packed


def is_outage(error: str) -> bool:
    """Say whether an error reply's text means that the server cannot serve now, not that the command is wrong."""
    return error.partition(" ")[0] in _NOT_NOW


def _checked(reply: Reply) -> Reply:
    if isinstance(reply, hiredis.ReplyError):
        text = str(reply)
        if is_outage(text):
            raise RedisUnavailable(text)
        raise RedisReplyError(text)
    return reply
