"""Stateful HTTP fakes of *external* systems, strict about what they are sent, and as broken as a test wants them.

A stub is a subclass of `HttpStub` whose methods answer its routes:

    class Mailbox(HttpStub):
        def __init__(self) -> None:
            super().__init__()
            self.delivered: dict[str, str] = {}

        @route("POST", "/deliveries/{address}")
        def deliver(self, request: Request) -> Response:
            if "idempotency-key" not in request.headers:
                raise Illegal("a delivery without Idempotency-Key")
            self.delivered[request.parameters["address"]] = request.json()["code"]
            return Response(202)

Handlers run in the supervisor's thread and hold `lock`; whoever reads a stub's state from a test and needs two values
that belong together takes it too. What a stub should never have been sent is a *violation*: it is answered with an error
and fails the test, unless `allow_violation` declared it.
"""

import asyncio
import contextlib
import re
import threading
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, ClassVar, Final, Self, TypeVar
from urllib.parse import unquote

from seatrial.errors import SeatrialError, shortened
from seatrial.network.exchange import Call, Illegal, Request, Response
from seatrial.network.httpwire import Connection, Message, Reply, encode
from seatrial.network.stubfault import StubFault
from seatrial.processes.listener import Address, Reservation
from seatrial.processes.supervisor import Supervisor
from seatrial.timeline.faults import fault as timeline_fault
from seatrial.timeline.timeline import note
from seatrial.timeline.tracecontext import trace_id_of

__all__ = ["Call", "HttpStub", "Illegal", "Request", "Response", "StubViolation", "route"]

_PARAMETER: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\}")

Handler = TypeVar("Handler", bound="Callable[[Any, Request], Response]")


class StubViolation(SeatrialError):
    """A stub was sent something that it should not have been sent."""


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """The decorated method of a stub answers `method` on `path`, in which `{name}` stands for one segment."""
    if not path.startswith("/") or not method.isupper():
        raise SeatrialError(
            f"route({method!r}, {path!r}): write the method in capitals and the path from its first /"
        )

    def mark(handler: Handler) -> Handler:
        handler.__dict__.setdefault("seatrial_routes", []).append((method, path))
        return handler

    return mark


class HttpStub:
    """Base of every stub. It has a port of its own from its construction on, and answers between `start` and `close`."""

    name: ClassVar[str] = ""
    """What the stub is called in errors; the class's name when empty."""
    body_limit: ClassVar[int] = 1 << 20
    """Bytes of a body, above which a request is a violation."""
    host: ClassVar[str] = "127.0.0.1"
    """Where it listens."""

    _routes: ClassVar[list[tuple[str, str, re.Pattern[str], str]]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.__dict__.get("name"):
            cls.name = cls.__name__
        found: dict[tuple[str, str], str] = {}
        for base in reversed(cls.__mro__):
            for attribute, member in vars(base).items():
                for method, path in getattr(member, "seatrial_routes", ()):
                    found[method, path] = attribute
        cls._routes = [(method, path, _pattern(path), name) for (method, path), name in found.items()]

    def __init__(self) -> None:
        self.lock: Final = threading.RLock()
        self._reservation = Reservation(self.host)
        self.address: Final[Address] = self._reservation.address
        self._supervisor = Supervisor.current()
        self._server: asyncio.Server | None = None
        self.connections: set[Connection] = set()
        self._calls: list[Call] = []
        self._violations: list[str] = []
        self._allowed: list[re.Pattern[str]] = []
        self._faults: list[StubFault] = []
        self._absences = 0
        self._pauses = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<{self.name} {self.address}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- life

    def start(self) -> Self:
        """Listen; a client can connect when this returns."""
        self._run(self._listen())
        return self

    def close(self) -> None:
        """Close every connection and give the port back. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._run(self._deafen())
        self._reservation.close()

    def url(self, path: str = "") -> str:
        """`http://host:port` and the path."""
        return f"http://{self.address}{path}"

    # -- what it was sent

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every request so far, the illegal ones included, in the order of their arrival."""
        with self.lock:
            return tuple(self._calls)

    @property
    def violations(self) -> tuple[str, ...]:
        """Why requests were illegal, allowed or not; what was no HTTP at all is here, and not among the calls."""
        with self.lock:
            return tuple(self._violations)

    def allow_violation(self, pattern: str) -> None:
        """The test provokes violations in whose text this regular expression is found; they do not fail it."""
        self._allowed.append(re.compile(pattern))

    def problems(self) -> tuple[SeatrialError, ...]:
        """One error for each violation that was not allowed."""
        return tuple(
            StubViolation(f"{self.name}: {violation}; mend the caller, or declare it with allow_violation()")
            for violation in self.violations
            if not any(allowed.search(violation) for allowed in self._allowed)
        )

    # -- faults

    def delayed(
        self, seconds: float, *, path: str | None = None, times: int | None = None
    ) -> AbstractContextManager[None]:
        """Requests are handled at once, and answered `seconds` later, or when the block ends."""
        if not seconds > 0:
            raise SeatrialError(f"delayed({seconds!r}): give seconds above 0")
        return self._fault(StubFault("delayed", path, times, seconds=seconds))

    def failing(
        self, status: int = 503, body: bytes = b"", *, path: str | None = None, times: int | None = None
    ) -> AbstractContextManager[None]:
        """Requests are answered with an error, and not handled."""
        return self._fault(StubFault("failing", path, times, response=Response(status, body)))

    def answering(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        path: str | None = None,
        times: int | None = None,
    ) -> AbstractContextManager[None]:
        """Requests get this answer, right or wrong, and are not handled."""
        return self._fault(
            StubFault("answering", path, times, response=Response(status, body, headers or {}))
        )

    def dropping(
        self, *, handled: bool = False, path: str | None = None, times: int | None = None
    ) -> AbstractContextManager[None]:
        """The connection is closed instead of an answer. With `handled` the request has had its effect before."""
        return self._fault(StubFault("dropping", path, times, handled=handled))

    def truncating(
        self, size: int, *, path: str | None = None, times: int | None = None
    ) -> AbstractContextManager[None]:
        """Requests are handled, but the connection closes after the first `size` bytes of the answer's body."""
        if size < 0:
            raise SeatrialError(f"truncating({size!r}): give a number of bytes from 0 up")
        return self._fault(StubFault("truncating", path, times, size=size, handled=True))

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """The system is not there: established connections are closed, new ones refused. The port stays ours."""
        self._run(self._be_absent(+1))
        try:
            with timeline_fault(self.name, "gone"):
                yield
        finally:
            self._run(self._be_absent(-1))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The system hangs: connections are made, nothing is read, handled or answered until the block ends."""
        self._run(self._pause(+1))
        try:
            with timeline_fault(self.name, "paused"):
                yield
        finally:
            self._run(self._pause(-1))

    @contextlib.contextmanager
    def _fault(self, fault: StubFault) -> Iterator[None]:
        self._run(self._change(fault, self._faults.append))
        try:
            with timeline_fault(self.name, fault.kind, fault.path or ""):
                yield
        finally:
            self._run(self._change(fault, self._faults.remove))

    # -- in the loop

    @property
    def hangs(self) -> bool:
        """Whether it is `paused`."""
        return self._pauses > 0

    def answer(self, message: Message) -> Reply:
        """Record, judge and handle a request; what goes back, and when."""
        arrived = asyncio.get_running_loop().time()
        with self.lock:
            request, template, violation, response = self._route(message)
            fault = self._take_fault(request.path, template)
            delays = self._take_delays(request.path, template)
            if violation is None and (fault is None or fault.handled):
                violation, response = self._handle(template, request)
            hidden = fault is not None and fault.kind == "dropping"
            if fault is not None and fault.response is not None:
                response = fault.response
            status = None if hidden else response.status
            self._calls.append(Call(request, time.time(), status, fault.kind if fault else None, violation))
            self._told(self._calls[-1])
            if violation is not None:
                self._violations.append(violation)
        limit = fault.size if fault is not None and fault.kind == "truncating" else None
        close = hidden or limit is not None or not message.keep_alive
        head = request.method == "HEAD"
        data = (
            b""
            if hidden
            else encode(response.status, response.body, response.headers, close=close, head=head, limit=limit)
        )
        return Reply(
            data, close, lambda: arrived + sum(each.seconds for each in delays if each in self._faults)
        )

    def _told(self, call: Call) -> None:
        headers = call.request.headers
        answer = "no answer" if call.status is None else str(call.status)
        note(
            self.name,
            "call",
            f"{call.request.method} {call.request.path} -> {answer}",
            fault_kind=call.fault,
            violation=call.violation,
            request_id=headers.get("x-request-id"),
            trace_id=trace_id_of(headers.get("traceparent")),
        )

    def malformed(self, status: int, reason: str) -> Reply:
        """Record what is no HTTP request, or too long."""
        with self.lock:
            self._violations.append(reason)
        response = _refusal(status, reason)
        return Reply(encode(status, response.body, response.headers, close=True), close=True, due=lambda: 0.0)

    def _route(self, message: Message) -> tuple[Request, str, str | None, Response]:
        """The request, its route's path, and when it has none: the violation and the answer to it."""
        raw, _, query = _origin_form(message.target).partition("?")
        request = Request(message.method, unquote(raw), query, message.headers, message.body)
        methods = []
        for method, template, pattern, _ in self._routes:
            match = pattern.fullmatch(raw)
            if match is None:
                continue
            methods.append(method)
            if method == message.method:
                parameters = {name: unquote(value) for name, value in match.groupdict().items()}
                return replace(request, parameters=parameters), template, None, Response()
        if methods:
            violation = f"{message.method} {raw}: that path knows {', '.join(methods)} only"
            refusal = _refusal(HTTPStatus.METHOD_NOT_ALLOWED, violation, {"Allow": ", ".join(methods)})
        else:
            known = ", ".join(f"{method} {template}" for method, template, _, _ in self._routes) or "nothing"
            violation = f"{message.method} {raw}: no such path (there is: {known})"
            refusal = _refusal(HTTPStatus.NOT_FOUND, violation)
        return request, raw, violation, refusal

    def _handle(self, template: str, request: Request) -> tuple[str | None, Response]:
        attribute = next(
            name for method, path, _, name in self._routes if (method, path) == (request.method, template)
        )
        where = f"{request.method} {request.path}"
        try:
            response = getattr(self, attribute)(request)
        except Illegal as error:
            violation = f"{where}: {error} (body: {shortened(repr(request.body), 200)})"
            return violation, _refusal(HTTPStatus.BAD_REQUEST, str(error))
        except Exception:  # noqa: BLE001  (a stub's own bug is the test's failure, not the caller's silence)
            violation = f"{where}: the stub itself failed:\n{traceback.format_exc()}"
            return violation, _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the stub itself failed")
        return None, response

    def _take_fault(self, *paths: str) -> StubFault | None:
        for fault in reversed(self._faults):
            if fault.kind != "delayed" and fault.take(paths):
                return fault
        return None

    def _take_delays(self, *paths: str) -> list[StubFault]:
        return [fault for fault in self._faults if fault.kind == "delayed" and fault.take(paths)]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._supervisor.run(work)

    async def _listen(self) -> None:
        if self._server is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self), sock=self._reservation.listen())

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        closing = [connection.closed for connection in self.connections]
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.gather(*closing)

    async def _be_absent(self, change: int) -> None:
        self._absences += change
        await (self._deafen() if self._absences else self._listen())

    async def _pause(self, change: int) -> None:
        self._pauses += change
        self._advance()

    async def _change(self, fault: StubFault, change: Callable[[StubFault], None]) -> None:
        change(fault)
        self._advance()

    def _advance(self) -> None:
        for connection in tuple(self.connections):
            connection.advance()


def _pattern(path: str) -> re.Pattern[str]:
    parts = _PARAMETER.split(path)  # text, name, text, name, ..., text
    return re.compile(
        "".join(f"(?P<{part}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    )


def _origin_form(target: str) -> str:
    """A target in absolute form, which every server must accept (RFC 9112, section 3.2.2), as path and query."""
    return re.sub(r"^https?://[^/?]*", "", target, flags=re.IGNORECASE) or "/"


def _refusal(status: int, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response.json({"error": {"code": "stub_violation", "message": reason}}, status, headers)
