"""HTTP requests, responses and their routing, on ASGI.

A small router and not Starlette: starlette.applications costs 53 ms of import beyond uvicorn (anyio, the form and
cookie parsers; see README.md for the runs), for features that a strict JSON API does not use.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import msgspec

from servicekit import logs, tracing
from servicekit.body import BodyReader, Gone, decode_json, decode_query, invalid
from servicekit.errors import ApiError, error_body
from servicekit.failures import Unavailable
from servicekit.metrics import Registry
from servicekit.requestid import accept_or_create

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON: Final = "application/json"

_log = logs.get("servicekit.http")


class Headers:
    """A message's header fields; names are looked up without regard to case."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def get(self, name: str) -> str | None:
        """Give the first field of that name."""
        wanted = name.lower().encode("latin-1")
        return next((value.decode("latin-1") for key, value in self._raw if key.lower() == wanted), None)

    def all(self, name: str) -> list[str]:
        """Give every field of that name, in their order."""
        wanted = name.lower().encode("latin-1")
        return [value.decode("latin-1") for key, value in self._raw if key.lower() == wanted]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((key.decode("latin-1").lower(), value.decode("latin-1")) for key, value in self._raw)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its body is whole, and of ``media_type``."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a struct as JSON."""
    return Response(status, msgspec.json.encode(value), headers or {})


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method of one path, as the router serves it and as OpenAPI describes it.

    ``id`` is the operationId; ``path`` may hold ``{parameters}``, each a whole segment. ``request`` and ``response`` are
    structs of JSON bodies, ``query`` a struct of the query string's fields. ``request_media_type`` is for a body that travels
    under another name than JSON, whatever is in it. ``errors`` maps each status to the codes that
    the handler itself gives; what the router adds (400, 413, 415 for a body) need not be repeated. ``request_headers``
    and ``response_headers`` map a name to its description.
    """

    id: str
    method: str
    path: str
    summary: str
    request: type[msgspec.Struct] | None = None
    request_media_type: str = JSON
    query: type[msgspec.Struct] | None = None
    response: type[msgspec.Struct] | None = None
    media_type: str = JSON
    status: int = 200
    errors: Mapping[int, Sequence[str]] = field(default_factory=dict)
    other_responses: Mapping[int, type[msgspec.Struct]] = field(default_factory=dict)
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


class Request:
    """What a handler is given."""

    __slots__ = (
        "_body",
        "_query",
        "headers",
        "method",
        "operation",
        "parameters",
        "path",
        "peer",
        "request_id",
    )

    def __init__(
        self,
        scope: Scope,
        body: BodyReader,
        operation: Operation,
        parameters: Mapping[str, str],
        request_id: str,
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = Headers(scope["headers"])
        self.operation = operation
        self.parameters = parameters
        self.request_id = request_id
        #: The address of the socket's other end, without its port; "" where there is none.
        self.peer: str = scope["client"][0] if scope.get("client") else ""
        self._query: bytes = scope["query_string"]
        self._body = body

    async def body(self) -> bytes:
        """Read the whole body; raises ApiError 413 or 408."""
        return await self._body.read()

    async def json(self, kind: type[T]) -> T:
        """Read the body as exactly one JSON document of that type; raises ApiError 400, 408, 413 or 415."""
        return decode_json(await self._body.read(), kind)

    def query(self, kind: type[T]) -> T:
        """Read the query string's fields; raises ApiError 400."""
        return decode_query(self._query, kind)


Handler = Callable[[Request], Awaitable[Response]]


class _Path:
    """A path and what is routed there, by method."""

    def __init__(self, template: str) -> None:
        self.names: list[str] = re.findall(r"\{([a-z_]+)\}", template)
        pattern = re.escape(template)
        for name in self.names:
            pattern = pattern.replace(re.escape("{" + name + "}"), "([^/]+)")
        self._pattern = re.compile(pattern)
        self.routes: dict[str, tuple[Operation, Handler]] = {}

    @property
    def allow(self) -> str:
        """The value of the Allow header: GET implies HEAD (RFC 9110, section 9.3.2)."""
        methods = set(self.routes) | ({"HEAD"} if "GET" in self.routes else set())
        return ", ".join(sorted(methods))

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Give the parameters if the path is this one; raises ApiError 400 if one is not UTF-8."""
        found = self._pattern.fullmatch(raw_path)
        if found is None:
            return None
        try:
            values = [unquote(value, errors="strict") for value in found.groups()]
        except UnicodeDecodeError:
            raise invalid("The path is not UTF-8.") from None
        return dict(zip(self.names, values, strict=True))


class Router:
    """An ASGI application that serves operations.

    It answers itself: 404 ``not_found``, 405 ``method_not_allowed`` with Allow, 400 ``invalid_request`` for a body or a
    query that the operation does not take, 413 ``request_too_large``, 415 ``unsupported_media_type``, 408
    ``request_timeout``, 500 ``internal_error``, 503 ``shutting_down`` for what the end of the drain cuts off, and 503
    ``service_unavailable`` when a store or a service that the handler needs is away (failures.Unavailable).
    ``X-Request-Id`` is taken over when it is well-formed, made when not, and always sent back.
    """

    def __init__(
        self,
        operations: Sequence[tuple[Operation, Handler]],
        *,
        listener: str,
        metrics: Registry,
        limit: int = 16 * 1024,
        timeout_s: float = 10.0,
    ) -> None:
        """``limit`` bounds a body's bytes, ``timeout_s`` the time to receive it."""
        self._exact: dict[str, _Path] = {}
        self._templates: dict[str, _Path] = {}
        for operation, handler in operations:
            paths = self._templates if "{" in operation.path else self._exact
            path = paths.setdefault(operation.path, _Path(operation.path))
            if operation.method in path.routes:
                raise ValueError(f"{operation.method} {operation.path} is routed twice")
            path.routes[operation.method] = (operation, handler)
        self._listener = listener
        self._limit = limit
        self._timeout_s = timeout_s
        self._requests = metrics.counter(
            "http_requests_total",
            "HTTP requests answered; status 499 is a caller that left",
            ("listener", "operation", "status"),
        )
        self._seconds = metrics.histogram(
            "http_request_duration_seconds", "Time to answer an HTTP request", ("listener", "operation")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is served here, not {scope['type']}")
        started = time.perf_counter()
        headers = Headers(scope["headers"])
        request_id = accept_or_create(headers.get("x-request-id"))
        tracing.begin(tracing.trace_id(headers.get("traceparent")))
        body = BodyReader(scope["headers"], receive, limit=self._limit, timeout_s=self._timeout_s)
        operation = "none"
        try:
            route, handler, parameters = self._find(scope)
            operation = route.id
            response = await handler(self._admit(scope, body, route, parameters, request_id))
        except ApiError as error:
            response = Response(error.status, error_body(error.code, error.message), error.headers)
        except Gone:
            self._count(operation, 499, started)
            return
        except Unavailable:  # said already, by the client's watcher
            message = "Something that this operation needs does not answer; repeat it later."
            response = Response(503, error_body("service_unavailable", message))
        except asyncio.CancelledError:
            # Only the end of the drain cancels a request.
            body.must_close = True
            response = Response(503, error_body("shutting_down", "The service is stopping; try again."))
        except Exception:  # noqa: BLE001 - the last line of defence: details go to the log, not to the caller
            _log.exception("http_handler_failed", operation=operation, request_id=request_id)
            message = "The service failed to answer; its log has the request id."
            response = Response(500, error_body("internal_error", message, request_id))
        self._count(operation, response.status, started)
        _log.debug("http_request", operation=operation, status=response.status, request_id=request_id)
        await _send(response, send, request_id, close=body.must_close)

    def _find(self, scope: Scope) -> tuple[Operation, Handler, Mapping[str, str]]:
        raw_path: str = scope["raw_path"].decode("latin-1")
        path = self._exact.get(scope["path"])
        parameters: Mapping[str, str] = {}
        if path is None:
            for template in self._templates.values():
                matched = template.match(raw_path)
                if matched is not None:
                    path, parameters = template, matched
                    break
            else:
                raise ApiError(404, "not_found", "There is nothing at this path.")
        method: str = scope["method"]
        found = path.routes.get("GET" if method == "HEAD" else method)
        if found is None:
            raise ApiError(405, "method_not_allowed", f"Use one of: {path.allow}.", {"allow": path.allow})
        return *found, parameters

    def _admit(
        self,
        scope: Scope,
        body: BodyReader,
        operation: Operation,
        parameters: Mapping[str, str],
        request_id: str,
    ) -> Request:
        """Make the handler's request of one that has what the operation takes, and nothing else."""
        if operation.query is None and scope["query_string"]:
            raise invalid("This operation takes no query.")
        if operation.request_media_type != JSON:
            body.require_type(operation.request_media_type)
        elif operation.request is None:
            body.refuse()
        else:
            body.require_json()
        return Request(scope, body, operation, parameters, request_id)

    def _count(self, operation: str, status: int, started: float) -> None:
        self._requests.inc(self._listener, operation, str(status))
        self._seconds.observe(time.perf_counter() - started, self._listener, operation)


async def _send(response: Response, send: Send, request_id: str, *, close: bool) -> None:
    headers = [
        (b"content-length", str(len(response.body)).encode()),
        (b"x-request-id", request_id.encode()),
        # An answer to one person must not be served to the next by something in between.
        (b"cache-control", b"no-store"),
    ]
    if response.body:
        headers.append((b"content-type", response.media_type.encode()))
    headers += [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()
    ]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
