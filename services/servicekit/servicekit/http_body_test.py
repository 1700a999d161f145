"""Bodies of requests over a real socket: what the router takes, and what it refuses."""

import asyncio
import json

import pytest

from servicekit.conftest import exchange, serving
from servicekit.http_test import parse, request, router, send
from servicekit.metrics import Registry


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b'{"name":"a"}{"name":"b"}', "trailing"),
        (b'{"name":"a"} x', "trailing"),
        (b'{"name":"a","nick":"b"}', "unknown field `nick`"),
        (b'{"name":1}', "Expected `str`"),
        (b'{"name":"a","size":"2"}', "Expected `int`"),
        (b'{"name":"a","size":2.5}', "Expected `int`"),
        (b'{"size":2}', "missing required field `name`"),
        (b'["a"]', "Expected `object`"),
        (b"null", "Expected `object`"),
        (b'{"name":"a"', "truncated"),
        (b'{"name":"a","name":"b"}', "'name' twice"),
        (b'{"name":"\xff"}', "utf-8"),
        (b'\xef\xbb\xbf{"name":"a"}', "malformed"),
        (b'{"name":"\\ud800"}', "truncated"),
        (b"[" * 16000, ""),
        (b'{"name":' + b"[" * 16000, ""),
    ],
)
def test_a_body_that_is_not_exactly_the_document_is_invalid(body: bytes, reason: str) -> None:
    status, _, answer = send(request("POST", "/things", body))
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert reason in answer["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/json; charset=latin-1", "application/jsonp", "", None],
)
def test_another_media_type_is_refused(content_type: str | None) -> None:
    status, _, answer = send(request("POST", "/things", b'{"name":"a"}', content_type))
    assert (status, answer["error"]["code"]) == (415, "unsupported_media_type")


def test_an_operation_may_take_another_media_type_and_then_takes_no_json() -> None:
    status, _, answer = send(request("POST", "/bytes", b"{}", "application/octet-stream"))
    assert (status, answer) == (200, {"bytes": 2})
    for refused in ("application/json", "application/octet-stream; a=b", None):
        status, _, answer = send(request("POST", "/bytes", b"{}", refused))
        assert (status, answer["error"]["code"]) == (415, "unsupported_media_type")
    encoded = request("POST", "/bytes", b"{}", "application/octet-stream", Content_Encoding="gzip")
    assert send(encoded)[0] == 415


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"]
)
def test_other_spellings_of_json_are_taken(content_type: str) -> None:
    assert send(request("POST", "/things", b'{"name":"a"}', content_type))[0] == 201


def test_an_encoded_body_is_refused() -> None:
    assert send(request("POST", "/things", b'{"name":"a"}', Content_Encoding="gzip"))[0] == 415


def test_two_media_types_are_refused() -> None:
    raw = request("POST", "/things", b'{"name":"a"}').replace(
        b"Host: x", b"Host: x\r\nContent-Type: text/plain"
    )
    assert send(raw)[0] == 415


def _chunked(*chunks: bytes) -> bytes:
    head = (
        b"POST /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


def test_a_body_without_length_is_read_to_its_end() -> None:
    assert send(_chunked(b'{"na', b'me":"a"}') + b"0\r\n\r\n")[0] == 201


@pytest.mark.parametrize("size", [101, 5000, 900_000])
def test_a_body_over_the_limit_is_refused_though_it_was_sent_whole(size: int) -> None:
    body = json.dumps({"name": "a" * (size - 11)}).encode()
    status, _, answer = send(request("POST", "/things", body), limit=100)
    assert (status, answer["error"]["code"]) == (413, "request_too_large")
    assert "100 bytes" in answer["error"]["message"]


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    body = json.dumps({"name": "a" * 88}).encode()
    assert len(body) == 100
    assert send(request("POST", "/things", body), limit=100)[0] == 201
    assert send(request("POST", "/things", body + b" "), limit=100)[0] == 413


def test_the_limit_holds_for_a_body_without_length_that_never_ends() -> None:
    status, headers, _ = send(_chunked(*[b"a" * 60] * 2), limit=100)
    assert status == 413
    assert headers["connection"] == "close"


def test_a_caller_that_asks_first_is_told_before_it_sends_too_much() -> None:
    raw = request("POST", "/things", b"", Content_Length="5000", Expect="100-continue")
    answer = send(raw, limit=100)
    assert answer[0] == 413


def test_a_caller_that_asks_first_is_told_to_go_on() -> None:
    async def go() -> bytes:
        async with serving(router()) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request("POST", "/things", b"", Content_Length="12", Expect="100-continue"))
            interim = await reader.readuntil(b"\r\n\r\n")
            assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b'{"name":"a"}')
            answer = await reader.read()
            writer.close()
            return answer

    assert parse(asyncio.run(go()))[0] == 201


def test_a_length_longer_than_the_body_ends_in_a_timeout_and_the_end_of_the_connection() -> None:
    status, headers, answer = send(
        request("POST", "/things", b'{"name":"a"}', Content_Length="13"), timeout_s=0.05
    )
    assert (status, answer["error"]["code"]) == (408, "request_timeout")
    assert headers["connection"] == "close"


def test_a_caller_that_leaves_before_its_body_is_complete_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Registry()

    async def go() -> None:
        async with serving(router(metrics)) as (_, port):
            assert (
                await exchange(port, request("POST", "/things", b'{"na', Content_Length="50"), end=True)
                == b""
            )

    asyncio.run(go())
    requests = metrics.counter("http_requests_total", "", ("listener", "operation", "status"))
    assert requests.value("http", "create", "499") == 1
    assert not caplog.records


def test_a_length_shorter_than_the_body_does_not_make_the_rest_a_request() -> None:
    async def go() -> bytes:
        async with serving(router()) as (_, port):
            raw = request("POST", "/things", b'{"name":"a"}', Content_Length="12", Connection="keep-alive")
            return await exchange(port, raw + b"garbage\r\n\r\n")

    answer = asyncio.run(go())
    assert parse(answer)[0] == 201
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 12\r\nTransfer-Encoding: chunked", b"Content-Length: 12\r\nContent-Length: 13"],
)
def test_two_framings_of_one_body_are_refused(framing: bytes) -> None:
    raw = (
        b"POST /things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + framing
        + b'\r\n\r\n{"name":"a"}'
    )
    status, headers, answer = send(raw)
    assert (status, answer["error"]["code"]) == (400, "invalid_request")
    assert headers["connection"] == "close"
