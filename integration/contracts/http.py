"""HTTP/1.1 exchanges of a test: one connection each, every byte under the test's control (RFC 9110, RFC 9112)."""

import http.client
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from seatrial.timeline import exchanges, tracecontext
from seatrial.timeline.exchanges import Exchange

Headers = Iterable[tuple[str, str]]


def loads_strictly(body: bytes) -> Any:
    """The one JSON value of `body`; a duplicate member, NaN, trailing data or bad UTF-8 raises ValueError (RFC 8259)."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError(f"a member is there twice: {[name for name, _ in pairs]}")
        return value

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    return json.loads(body.decode("utf-8"), object_pairs_hook=members, parse_constant=constant)


@dataclass(frozen=True, slots=True)
class Request:
    """What goes on the wire. `headers` come after Host and before the framing that `bytes_for` adds."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def traced(self) -> Self:
        """The same request with an X-Request-Id and a W3C traceparent of its own, where it has none."""
        headers = self.headers
        if self.header("x-request-id") is None:
            headers += (("X-Request-Id", os.urandom(8).hex()),)
        if self.header("traceparent") is None:
            headers += (("traceparent", tracecontext.traceparent(tracecontext.new_trace_id())),)
        return replace(self, headers=headers)

    def bytes_for(self, host: str) -> bytes:
        """The request as sent to `host`, with Content-Length and `Connection: close` unless the test framed it itself."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        framed = any(name.lower() in ("content-length", "transfer-encoding") for name, _ in self.headers)
        if self.body is not None and not framed:
            lines.append(f"Content-Length: {len(self.body)}")
        if self.header("connection") is None:
            lines.append("Connection: close")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (self.body or b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response. `elapsed` is in seconds, from connect to the last byte."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    elapsed: float
    request: Request = field(repr=False)

    def header(self, name: str) -> str | None:
        """The first field of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def media_type(self) -> str | None:
        """The content type without its parameters, in lower case."""
        value = self.header("content-type")
        return None if value is None else value.partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON; raises ValueError as `loads_strictly` does."""
        return loads_strictly(self.body)

    @property
    def error_code(self) -> str | None:
        """`error.code` of a JSON error body, else None."""
        try:
            value = self.json()
        except ValueError:
            return None
        error = value.get("error") if isinstance(value, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) else None

    @property
    def story(self) -> str:
        """One line for a failure's text."""
        return f"{self.request.method} {self.request.target} -> {self.status} {self.body[:300]!r}"

    def expect(self, status: int) -> Self:
        """Returns itself when it has `status`, else raises AssertionError."""
        if self.status != status:
            raise AssertionError(f"expected {status}, got: {self.story}")
        return self

    def expect_error(self, status: int, code: str) -> Self:
        """Returns itself when it is the error `code` with `status`, else raises AssertionError."""
        if (self.status, self.error_code) != (status, code):
            raise AssertionError(f"expected {status} {code}, got: {self.story}")
        return self


class NoAnswer(ConnectionError):
    """The server closed, reset or refused the connection, or stayed silent, without a complete response."""


def exchange(url: str, request: Request, *, timeout: float = 10.0) -> Answer:
    """Sends `request` to the server at `url` on a connection of its own and reads the whole response.

    `timeout` is in seconds, for each of connect, send and read. Raises NoAnswer.
    """
    host, port = _endpoint(url)
    told = exchanges.request(
        "client",
        f"{request.method} {request.target}",
        to=f"{host}:{port}",
        request_id=request.header("x-request-id"),
        trace_id=tracecontext.trace_id_of(request.header("traceparent")),
    )
    begin = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=timeout) as connection:
            connection.sendall(request.bytes_for(f"{host}:{port}"))
            return _told(told, _read(connection, request, begin))
    except (OSError, http.client.HTTPException) as error:
        told.unanswered(repr(error))
        raise NoAnswer(f"{request.method} {request.target} at {url}: no answer ({error!r})") from error


def send_raw(url: str, data: bytes, *, timeout: float = 10.0) -> Answer | None:
    """Sends `data` as it is, then ends the sending side; None when the server closes without a response."""
    host, port = _endpoint(url)
    begin = time.monotonic()
    request = Request(method="POST", path=data[:80].split(b"\r\n")[0].decode("latin-1"))
    told = exchanges.request("client", f"{len(data)} bytes: {request.path}", to=f"{host}:{port}")
    with socket.create_connection((host, port), timeout=timeout) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # the server may answer and close before it has read everything
            pass
        try:
            return _told(told, _read(connection, request, begin))
        except (http.client.RemoteDisconnected, http.client.BadStatusLine, ConnectionError) as error:
            told.unanswered(repr(error))
            return None


def _endpoint(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise ValueError(f"{url}: expected http://host:port")
    return parts.hostname, parts.port


def _told(exchange: Exchange, answer: Answer) -> Answer:
    exchange.answered(
        status=answer.status, error_code=answer.error_code, request_id=answer.header("x-request-id")
    )
    return answer


def _read(connection: socket.socket, request: Request, begin: float) -> Answer:
    response = http.client.HTTPResponse(connection, method=request.method)
    try:
        response.begin()
        body = response.read()
        return Answer(response.status, tuple(response.getheaders()), body, time.monotonic() - begin, request)
    finally:
        response.close()


def as_headers(headers: Mapping[str, str] | Headers | None) -> tuple[tuple[str, str], ...]:
    """Headers as name and value pairs, from whatever they were given as."""
    if headers is None:
        return ()
    return tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers)
