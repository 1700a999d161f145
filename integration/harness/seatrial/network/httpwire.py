"""The HTTP/1.1 server side of a stub: bytes to messages, replies to bytes, in order, on connections that are kept alive.

A reply is one write on a socket without Nagle's algorithm: head and body in two of them would wait 40 ms for the client's
delayed acknowledgement (RFC 1122, section 4.2.3.2).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import ClassVar, Final, Protocol, cast

import httptools

_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


@dataclass(slots=True)
class Message:
    """A request as it is on the wire; header names in lower case, repeated ones joined with a comma (RFC 9110, 5.3)."""

    method: str = ""
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back. `due` says, on the loop's clock, when; it is asked again whenever `Connection.advance` is called."""

    data: bytes
    close: bool
    due: Callable[[], float]


class Owner(Protocol):
    """Whoever answers the messages of a connection; called in the loop."""

    connections: set["Connection"]
    body_limit: ClassVar[int]

    @property
    def hangs(self) -> bool:
        """Whether nothing is read, handled or answered at present."""

    def answer(self, message: Message) -> Reply:
        """The reply to a message."""

    def malformed(self, status: int, reason: str) -> Reply:
        """The last reply on a connection whose bytes are no acceptable message."""


def encode(
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    *,
    close: bool,
    head: bool = False,
    limit: int | None = None,
) -> bytes:
    """A response, with a Content-Length unless `headers` frame the body; `limit` cuts the body short of it."""
    names = {name.lower() for name in headers}
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    if not names & {"content-length", "transfer-encoding"} and status not in _BODILESS:
        lines.append(f"Content-Length: {len(body)}")
    if close and "connection" not in names:
        lines.append("Connection: close")
    content = b"" if head or status in _BODILESS else body[:limit]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Message] = deque()
        self._reply: Reply | None = None
        self._last: Reply | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._message = Message()
        self._url = b""
        self._body: list[bytes] = []
        self._size = 0
        self.closed: Final[asyncio.Future[None]] = self._loop.create_future()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._owner.connections.add(self)
        self.advance()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (part of the protocol)
        """The client, or the stub, has ended it."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._owner.connections.discard(self)
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes, which may be any part of any number of messages."""
        if self._last is not None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(HTTPStatus.BAD_REQUEST, "an upgrade to another protocol")
        except httptools.HttpParserError as error:
            self._fail(HTTPStatus.BAD_REQUEST, f"no HTTP/1.1 message: {error}")
        self.advance()

    # -- httptools

    def on_message_begin(self) -> None:
        """A message begins."""
        self._message, self._url, self._body, self._size = Message(), b"", [], 0

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header field."""
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = self._message.headers.get(key)
        self._message.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._message.method = self._parser.get_method().decode("ascii")
        self._message.target = self._url.decode("latin-1")
        if self._message.headers.get("expect", "").lower() == "100-continue" and not self._waiting:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._size += len(body)
        if self._size <= self._owner.body_limit:
            self._body.append(body)
        else:
            self._fail(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body of more than {self._owner.body_limit} bytes"
            )

    def on_message_complete(self) -> None:
        """The message is complete."""
        if self._last is None:
            self._message.body = b"".join(self._body)
            self._message.keep_alive = self._parser.should_keep_alive()
            self._waiting.append(self._message)

    # -- answers

    def _fail(self, status: HTTPStatus, reason: str) -> None:
        if self._last is None:
            self._last = self._owner.malformed(status, reason)

    def advance(self) -> None:
        """Handle and answer whatever may be by now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._owner.hangs:
            self._transport.pause_reading()
            return
        self._transport.resume_reading()
        while not self._transport.is_closing():
            if self._reply is None:
                if self._waiting:
                    self._reply = self._owner.answer(self._waiting.popleft())
                elif self._last is not None:
                    self._reply = self._last
                else:
                    return
            left = self._reply.due() - self._loop.time()
            if left > 0:
                self._timer = self._loop.call_later(left, self.advance)
                return
            reply, self._reply = self._reply, None
            if reply.data:
                self._transport.write(reply.data)
            if reply.close:
                self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()
