"""An HTTP/1.1 client for calls from service to service, on httptools' parser.

Not httpx (77 ms of import) nor httpcore (43; see README.md for the runs): httptools is loaded already, by the server.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httptools

from servicekit.failures import why
from servicekit.http import Headers

#: A kept connection is not used again after this: the other side may be closing it just then, and what was sent would be
#: lost without a trace. Servers commonly wait 5 s or longer.
IDLE_S: Final = 2.0
MAX_HEAD: Final = 64 * 1024

_TARGET: Final = re.compile(r"/[!-~]*")
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELD_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class ClientError(Exception):
    """A call got no usable answer. ``reason`` is short and names no address."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ClientUnavailable(ClientError):
    """No connection, a connection lost, or an answer that is malformed or too large."""


class ClientTimeout(ClientError):
    """Connected, but no whole answer within the deadline."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, whatever its status."""

    status: int
    headers: Headers
    body: bytes


class _Connection(asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self, max_response: int) -> None:
        self._max_response = max_response
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Reply] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._head_size = 0
        self._in_body = False
        self.open = False
        self.idle_since = 0.0
        self.answered_any = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._in_body and exc is None and not self._framed():
            self._complete()  # a body that the connection's end delimits (RFC 9112, section 6.3)
        self.fail("the connection was closed" if exc is None else "the connection was reset")

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            # Nothing was asked: what comes next could not be told from the next call's answer.
            self.close()
            return
        self.answered_any = True
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail("the answer is malformed")
        else:
            if not self._in_body and self._head_size > MAX_HEAD + self._max_response:
                self.fail("the answer's head is too large")

    def on_message_begin(self) -> None:
        self._headers = []
        self._body.clear()
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_body = self._parser.get_status_code() >= 200

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > self._max_response:
            self.fail(f"the answer exceeds {self._max_response} bytes")

    def on_message_complete(self) -> None:
        if self._in_body:  # else it was an interim answer: the final one follows
            self._complete()

    def _framed(self) -> bool:
        return any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in self._headers)

    def _complete(self) -> None:
        self._in_body = False
        if self._answer is None or self._answer.done():
            # A second answer to one question.
            self.close()
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._answer.set_result(
            Reply(self._parser.get_status_code(), Headers(self._headers), bytes(self._body))
        )

    def fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ClientUnavailable(reason))
        self.close()

    def close(self) -> None:
        self.open = False
        self._transport.abort()

    async def exchange(self, request: bytes) -> Reply:
        self.answered_any = False
        self._head_size = 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


class HttpClient:
    """Calls one service; connections are kept and shared out."""

    def __init__(
        self,
        base_url: str,
        *,
        connect_timeout: float = 1.0,
        timeout: float = 2.0,
        max_connections: int = 64,
        max_response: int = 256 * 1024,
    ) -> None:
        """``timeout`` is the deadline in seconds of a whole call, ``max_response`` the bytes of an answer's body.

        At ``max_connections`` a call waits for another's end. Raises ValueError for what is not an ``http://`` URL.
        """
        parts = urlsplit(base_url)
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{base_url!r} is not the URL of a service (give http://host:port)")
        self._host = parts.hostname
        self._port = parts.port or 80
        self._authority = parts.netloc.rpartition("@")[2]
        self._base = parts.path.rstrip("/")
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._max_response = max_response
        self._slots = asyncio.Semaphore(max_connections)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; running calls get ClientUnavailable."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            connection.fail("the client was closed")
        self._idle.clear()

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float | None = None,  # noqa: ASYNC109 - this call's deadline instead of the client's
        idempotent: bool = False,
    ) -> Reply:
        """Make a call and give its answer, whatever its status.

        ``path`` is below the base URL, percent-encoded, and may have a query. An ``idempotent`` call is repeated once if
        it was sent on a kept connection that turned out to be closed (RFC 9112, section 9.3.1). HEAD is not supported.
        Raises ClientTimeout, ClientUnavailable, and ValueError for a path or header that is malformed.
        """
        if method not in {"GET", "POST", "PUT", "PATCH", "DELETE"}:
            raise ValueError(f"method {method!r} is not supported")
        request = self._compose(method, path, headers or {}, body)
        deadline = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(deadline), self._slots:
                return await self._exchange(request, repeat=idempotent)
        except TimeoutError:
            raise ClientTimeout(f"no answer within {deadline:g} s") from None

    def _compose(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        target = self._base + path
        if _TARGET.fullmatch(target) is None:
            raise ValueError(f"path {path!r} is not percent-encoded or does not begin with a slash")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._authority}"]
        for name, value in headers.items():
            if _FIELD_NAME.fullmatch(name) is None or _FIELD_VALUE.fullmatch(value) is None:
                raise ValueError(f"header {name!r} is malformed")
            lines.append(f"{name}: {value}")
        if body or method in {"POST", "PUT", "PATCH"}:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    async def _exchange(self, request: bytes, *, repeat: bool) -> Reply:
        connection = self._take_idle()
        reused = connection is not None
        if connection is None:
            connection = await self._connect()
        self._busy.add(connection)
        try:
            reply = await connection.exchange(request)
        except ClientUnavailable:
            if not (reused and repeat and not connection.answered_any) or self._closed:
                raise
        except BaseException:
            connection.close()  # given up: its answer would be taken for the next call's
            raise
        else:
            if connection.open and not self._closed:
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)
            return reply
        finally:
            self._busy.discard(connection)
        return await self._exchange(request, repeat=False)

    def _check_open(self) -> None:
        if self._closed:
            raise ClientUnavailable("the client was closed")

    def _take_idle(self) -> _Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.open and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> _Connection:
        self._check_open()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._max_response), self._host, self._port
                )
        except TimeoutError:
            raise ClientUnavailable(f"no connection within {self._connect_timeout:g} s") from None
        except OSError as problem:
            raise ClientUnavailable(f"no connection: {why(problem)}") from None
        try:
            self._check_open()
        except ClientUnavailable:  # closed meanwhile
            connection.close()
            raise
        return connection
