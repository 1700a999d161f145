"""The server's own bounds, and its stop."""

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from servicekit.conftest import exchange, serving
from servicekit.http import Operation, Request, Response, Router
from servicekit.metrics import Registry
from servicekit.server import MAX_HEAD

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def _router(handler: Callable[[Request], Awaitable[Response]]) -> Router:
    return Router(
        [(Operation(id="a", method="GET", path="/a", summary=""), handler)],
        listener="http",
        metrics=Registry(),
    )


async def _answer(_: Request) -> Response:
    return Response(200, b'"a"')


def _code(answer: bytes) -> tuple[bytes, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], json.loads(body)["error"]["code"]


def test_what_is_not_http_gets_a_json_error_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> bytes:
        async with serving(_router(_answer)) as (_, port):
            return await exchange(port, b"\x16\x03\x01 hello\r\n\r\n")

    assert _code(asyncio.run(go())) == (b"HTTP/1.1 400 Bad Request", "invalid_request")
    assert not caplog.records


def test_a_head_that_does_not_end_is_refused() -> None:
    async def go() -> bytes:
        # More than one read of the server; a head in one read is bounded by that already.
        endless = [b"GET /a HTTP/1.1\r\nHost: x\r\nX-Long: ", *[b"a" * MAX_HEAD] * 40]
        async with serving(_router(_answer), head_timeout_s=3600) as (_, port):
            try:
                return await exchange(port, *endless)
            except ConnectionError:  # the server closed with our data unread: its answer may be lost
                return b""

    answer = asyncio.run(go())
    assert answer == b"" or _code(answer)[1] == "request_headers_too_large"


def test_a_connection_that_sends_no_whole_head_in_time_is_closed() -> None:
    async def go() -> tuple[bytes, bytes, bytes]:
        async with serving(_router(_answer), head_timeout_s=0.05) as (_, port):
            return (
                await exchange(port),
                await exchange(port, b"GET /a HTT"),
                await exchange(port, GET + b"GET /a HTT"),
            )

    silent, partial, second = asyncio.run(go())
    assert (silent, partial) == (b"", b"")
    assert second.endswith(b'"a"')


def test_pipelined_requests_are_answered_in_order() -> None:
    async def go() -> bytes:
        async with serving(_router(_answer)) as (_, port):
            return await exchange(port, GET + GET + LAST)

    assert asyncio.run(go()).count(b"HTTP/1.1 200 OK") == 3


def test_garbage_after_a_request_does_not_spoil_its_answer() -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(0.01)
        return Response(200, b'"a"')

    async def go() -> bytes:
        # The bound is below the keep-alive time: it is the garbage that ends the connection, not its idleness.
        async with serving(_router(slow), head_timeout_s=3600) as (_, port), asyncio.timeout(10):
            return await exchange(port, GET, b"\x00\x01\x02\r\n\r\n")

    answer = asyncio.run(go())
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1") == 1


def test_an_upgrade_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> bytes:
        async with serving(_router(_answer)) as (_, port):
            raw = LAST.replace(b"Connection: close", b"Connection: upgrade, close\r\nUpgrade: h2c")
            return await exchange(port, raw)

    assert asyncio.run(go()).startswith(b"HTTP/1.1 200 OK")
    assert not caplog.records


def test_one_connection_too_many_is_closed_at_once() -> None:
    async def go() -> tuple[bytes, bytes]:
        async with serving(_router(_answer), max_connections=1) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            first = await reader.readuntil(b'"a"')
            other, other_writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                second = await other.read()
            except ConnectionResetError:
                second = b""
            writer.write(LAST)
            await reader.read()
            writer.close()
            other_writer.close()
            third = await exchange(port, LAST)
            return second, first + third

    refused, answered = asyncio.run(go())
    assert refused == b""
    assert answered.count(b"HTTP/1.1 200 OK") == 2


def test_the_drain_waits_for_a_request_and_then_for_nothing_else() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def hold(_: Request) -> Response:
        entered.set()
        await release.wait()
        return Response(200, b'"a"')

    async def go() -> bytes:
        async with serving(_router(hold)) as (server, port):
            answer = asyncio.create_task(exchange(port, GET))
            await entered.wait()
            drain = asyncio.create_task(server.drain(60))
            await asyncio.sleep(0)
            assert not drain.done()
            release.set()
            await drain
            return await answer

    answer = asyncio.run(go())
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in answer


def test_a_caller_that_does_not_read_its_answer_does_not_outlast_the_budget(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def large(_: Request) -> Response:
        return Response(200, b"a" * 20_000_000)

    async def go() -> None:
        async with serving(_router(large)) as (server, port):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(GET)
            connection.setblocking(False)
            while True:
                await asyncio.sleep(0)
                try:
                    connection.recv(1)
                    break
                except BlockingIOError:
                    continue
            await server.drain(0.05)
            connection.close()

    asyncio.run(go())
    assert [record.msg for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_reset_in_mid_request_ends_only_that_request(caplog: pytest.LogCaptureFixture) -> None:
    entered = asyncio.Event()

    async def hold(_: Request) -> Response:
        entered.set()
        await asyncio.sleep(0.02)
        return Response(200, b'"a"')

    async def go() -> bytes:
        async with serving(_router(hold)) as (_, port):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(GET)
            await entered.wait()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            return await exchange(port, LAST)

    assert asyncio.run(go()).startswith(b"HTTP/1.1 200 OK")
    assert not caplog.records
