"""The router over a real socket: what a caller sees."""

import asyncio
import json
import logging
import re
from typing import Any

import msgspec
import pytest

from servicekit import logs
from servicekit.conftest import exchange, serving
from servicekit.errors import ApiError
from servicekit.http import Operation, Request, Response, Router, json_response
from servicekit.metrics import Counter, Registry
from servicekit.redis import RedisUnavailable


class Thing(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    size: int = 1


class Page(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    limit: int = 10
    after: str | None = None


async def _create(request: Request) -> Response:
    return json_response(await request.json(Thing), status=201)


async def _read(request: Request) -> Response:
    return json_response(
        {"id": request.parameters["id"], "peer": request.peer, "request_id": request.request_id}
    )


async def _list(request: Request) -> Response:
    return json_response(request.query(Page))


async def _size(request: Request) -> Response:
    return json_response({"bytes": len(await request.body())})


async def _limited(_: Request) -> Response:
    raise ApiError(429, "rate_limited", "Later.", {"Retry-After": "3"})


async def _away(_: Request) -> Response:
    raise RedisUnavailable("where it is")


def router(metrics: Registry | None = None, **options: Any) -> Router:
    return Router(
        [
            (Operation(id="create", method="POST", path="/things", summary="", request=Thing), _create),
            (Operation(id="list", method="GET", path="/things", summary="", query=Page), _list),
            (Operation(id="read", method="GET", path="/things/{id}", summary=""), _read),
            (Operation(id="away", method="GET", path="/away", summary=""), _away),
            (Operation(id="delete", method="DELETE", path="/things/{id}", summary=""), _limited),
            (
                Operation(
                    id="send",
                    method="POST",
                    path="/bytes",
                    summary="",
                    request_media_type="application/octet-stream",
                ),
                _size,
            ),
        ],
        listener="http",
        metrics=metrics or Registry(),
        **options,
    )


def send(request: bytes, *more: bytes, end: bool = False, **options: Any) -> tuple[int, dict[str, str], Any]:
    """Send one request; gives status, header fields and JSON of the first answer."""

    async def go() -> bytes:
        async with serving(router(**options)) as (_, port):
            return await exchange(port, request, *more, end=end)

    return parse(asyncio.run(go()))


def parse(answer: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    length = int(headers.get("content-length", "0"))
    return int(first.split()[1]), headers, json.loads(body[:length]) if body else None


def request(
    method: str,
    target: str,
    body: bytes | None = None,
    content_type: str | None = "application/json",
    **headers: str,
) -> bytes:
    fields = {
        "Host": "x",
        "Connection": "close",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    if body is not None:
        fields.setdefault("Content-Length", str(len(body)))
        if content_type is not None:
            fields["Content-Type"] = content_type
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode() + (body or b"")


def test_a_document_is_read_and_answered() -> None:
    status, headers, body = send(request("POST", "/things", b'{"name":"a","size":2}'))
    assert (status, body) == (201, {"name": "a", "size": 2})
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert "date" in headers
    assert "server" not in headers


def test_every_answer_is_a_debug_line_with_the_request_and_its_trace(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    traced = request("GET", "/things/a", x_request_id="r-1", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("DEBUG")
    try:
        for sent in (traced, request("GET", "/nowhere", x_request_id="r-2")):
            send(sent)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [
        (line["operation"], line["status"], line["request_id"], line.get("trace_id"))
        for line in told
        if line["event"] == "http_request"
    ] == [("read", 200, "r-1", trace), ("none", 404, "r-2", None)]


def test_an_unknown_path_is_not_found() -> None:
    for path in ("/", "/thing", "/things/", "/things/a/b", "/../things", "//things"):
        status, _, answer = send(request("GET", path))
        assert (status, answer["error"]["code"]) == (404, "not_found"), path


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/things", "GET, HEAD, POST"),
        ("POST", "/things/1", "DELETE, GET, HEAD"),
        ("OPTIONS", "/things", "GET, HEAD, POST"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allow: str) -> None:
    status, headers, answer = send(request(method, path))
    assert (status, answer["error"]["code"], headers["allow"]) == (405, "method_not_allowed", allow)


def test_head_is_get_without_the_body() -> None:
    async def go() -> bytes:
        async with serving(router()) as (_, port):
            return await exchange(port, request("HEAD", "/things/1"))

    head, _, body = asyncio.run(go()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b""


def test_a_path_parameter_is_decoded_and_stays_one_segment() -> None:
    assert send(request("GET", "/things/a%2Fb%20%C3%A9"))[2]["id"] == "a/b é"


def test_a_path_that_is_not_utf8_is_invalid() -> None:
    assert send(request("GET", "/things/%FF"))[0] == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", (10, None)), ("?", (10, None)), ("?limit=5&after=a%20b", (5, "a b")), ("?after=", (10, ""))],
)
def test_a_query_is_read(query: str, expected: tuple[int, str | None]) -> None:
    status, _, body = send(request("GET", f"/things{query}"))
    assert (status, (body["limit"], body["after"])) == (200, expected)


@pytest.mark.parametrize(
    "query", ["?limit=x", "?limit=1&limit=2", "?offset=1", "?limit", "?after=%FF", "?a&&"]
)
def test_a_query_that_is_not_as_documented_is_invalid(query: str) -> None:
    status, _, answer = send(request("GET", f"/things{query}"))
    assert (status, answer["error"]["code"]) == (400, "invalid_request")


def test_what_an_operation_does_not_take_is_refused() -> None:
    assert send(request("GET", "/things/1?x=1"))[0] == 400
    assert send(request("POST", "/things?x=1", b'{"name":"a"}'))[0] == 400
    assert send(request("GET", "/things/1", b"{}"))[0] == 400
    assert send(request("GET", "/things/1", b""))[0] == 200


def test_an_error_of_the_handler_carries_its_headers() -> None:
    status, headers, answer = send(request("DELETE", "/things/1"))
    assert (status, headers["retry-after"], answer) == (
        429,
        "3",
        {"error": {"code": "rate_limited", "message": "Later."}},
    )


def test_what_needs_something_that_is_away_is_answered_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status, _, answer = send(request("GET", "/away"))
    assert (status, answer["error"]["code"]) == (503, "service_unavailable")
    assert "where it is" not in answer["error"]["message"]
    assert caplog.records == []


def test_a_request_id_is_taken_over_when_well_formed() -> None:
    status, headers, body = send(request("GET", "/things/1", X_Request_Id="trace-1:a.b_c"))
    assert (status, headers["x-request-id"], body["request_id"]) == (200, "trace-1:a.b_c", "trace-1:a.b_c")


@pytest.mark.parametrize("given", ["a b", "a" * 129, "é", ""])
def test_a_malformed_request_id_is_replaced(given: str) -> None:
    headers = send(request("GET", "/things/1", X_Request_Id=given))[1]
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])


def test_requests_are_counted_by_operation_and_not_by_path() -> None:
    metrics = Registry()

    async def go() -> None:
        async with serving(router(metrics)) as (_, port):
            for target in ("/things/1", "/things/2", "/nothing/1", "/nothing/2"):
                await exchange(port, request("GET", target))

    asyncio.run(go())
    requests = metrics.counter("http_requests_total", "", ("listener", "operation", "status"))
    assert isinstance(requests, Counter)
    assert requests.value("http", "read", "200") == 2
    assert requests.value("http", "none", "404") == 2


def test_an_operation_cannot_be_routed_twice() -> None:
    operation = Operation(id="a", method="GET", path="/a", summary="")
    with pytest.raises(ValueError, match="GET /a is routed twice"):
        Router([(operation, _list), (operation, _list)], listener="http", metrics=Registry())
