"""The HTTP client against servers that answer well, badly, late, and not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest

from servicekit.client import ClientTimeout, ClientUnavailable, HttpClient, Reply
from servicekit.conftest import serving
from servicekit.http import Operation, Request, Response, Router, json_response
from servicekit.metrics import Registry

T = TypeVar("T")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers every request with the same bytes, and counts connections."""

    def __init__(
        self, answer: bytes, *, close: bool = False, before: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        self._answer = answer
        self._close = close
        self._before = before
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head)
                if self._before is not None:
                    await self._before()
                writer.write(self._answer)
                await writer.drain()
                if self._close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def against(serve: Serve, work: Callable[[HttpClient], Awaitable[T]], **options: float) -> T:
    async def go() -> T:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(f"http://127.0.0.1:{port}/base", **{"timeout": 10, **options})  # type: ignore[arg-type]
        async with server, client:
            return await work(client)

    return asyncio.run(go())


def get(answer: bytes, *, close: bool = False, **options: float) -> Reply:
    return against(Server(answer, close=close), lambda client: client.request("GET", "/a"), **options)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"


def test_a_call_reaches_a_real_server_with_its_body_and_headers() -> None:
    async def handle(request: Request) -> Response:
        return json_response({"id": request.request_id, "host": request.headers.get("host")}, status=202)

    async def go() -> tuple[Reply, int]:
        operation = Operation(id="a", method="GET", path="/base/a", summary="")
        router = Router([(operation, handle)], listener="http", metrics=Registry())
        async with serving(router) as (_, port), HttpClient(f"http://localhost:{port}/base/") as client:
            return await client.request("GET", "/a", headers={"X-Request-Id": "r1"}), port

    reply, port = asyncio.run(go())
    assert (reply.status, reply.headers.get("Content-Type")) == (202, "application/json")
    assert reply.body == b'{"id":"r1","host":"localhost:%d"}' % port


def test_connections_are_kept_and_shared_out() -> None:
    server = Server(OK)

    async def work(client: HttpClient) -> None:
        for _ in range(5):
            assert (await client.request("POST", "/a", body=b"x" * 0)).body == b"a"
        await asyncio.gather(*(client.request("GET", "/a") for _ in range(20)))

    against(server, work, max_connections=3)
    assert server.connections <= 3
    assert server.requests[0].startswith(b"POST /base/a HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Content-Length: 0" in server.requests[0]


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nall until the end", b"all until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"a"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_every_framing_of_an_answer_is_understood(answer: bytes, body: bytes) -> None:
    assert get(answer, close=True).body == body


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "closed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "closed"),
        (b"hello\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b"a" * 101, "exceeds 100 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 101, "exceeds 100 bytes"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000, "too large"),
    ],
)
def test_an_answer_that_is_no_answer_is_unavailable(answer: bytes, reason: str) -> None:
    with pytest.raises(ClientUnavailable, match=reason):
        get(answer, close=True, max_response=100)


def test_an_answer_of_exactly_the_limit_is_taken() -> None:
    assert (
        len(get(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"a" * 100, max_response=100).body) == 100
    )


def test_an_answer_nobody_asked_for_is_never_taken_for_the_next_one() -> None:
    server = Server(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")

    async def work(client: HttpClient) -> None:
        for _ in range(3):
            assert (await client.request("GET", "/a", idempotent=True)).body == b"a"

    against(server, work)


def test_a_late_answer_is_a_timeout_and_spoils_no_later_call() -> None:
    release = asyncio.Event()
    server = Server(OK, before=release.wait)

    async def work(client: HttpClient) -> None:
        with pytest.raises(ClientTimeout, match=r"within 0\.05 s"):
            await client.request("GET", "/a", timeout=0.05)
        release.set()
        assert (await client.request("GET", "/b")).body == b"a"

    against(server, work)
    assert server.connections == 2


def test_a_call_that_is_given_up_leaves_no_connection() -> None:
    ended = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
        ended.set()
        writer.close()

    async def work(client: HttpClient) -> None:
        with pytest.raises(ClientTimeout):
            await client.request("GET", "/a", timeout=0.05)
        await ended.wait()

    against(silent, work)


def test_waiting_for_a_free_connection_counts_towards_the_deadline() -> None:
    release = asyncio.Event()

    async def work(client: HttpClient) -> None:
        first = asyncio.create_task(client.request("GET", "/a"))
        await asyncio.sleep(0)
        with pytest.raises(ClientTimeout):
            await client.request("GET", "/b", timeout=0.05)
        release.set()
        assert (await first).status == 200

    against(Server(OK, before=release.wait), work, max_connections=1)


def test_nobody_there_is_unavailable_and_names_no_address() -> None:
    async def go() -> None:
        server = await asyncio.start_server(Server(OK), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with HttpClient(f"http://127.0.0.1:{port}") as client:
            with pytest.raises(ClientUnavailable, match="refused") as caught:
                await client.request("GET", "/a")
            assert "127.0.0.1" not in caught.value.reason
        async with HttpClient("http://nowhere.invalid") as client:
            with pytest.raises(ClientUnavailable):
                await client.request("GET", "/a", timeout=30)

    asyncio.run(go())


@pytest.mark.parametrize(("idempotent", "repeated"), [(True, True), (False, False)])
def test_only_an_idempotent_call_is_repeated_when_a_kept_connection_was_closed(
    idempotent: bool, repeated: bool
) -> None:
    served: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            served.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(OK)
            await writer.drain()
            # The next request on this connection is read and not answered, as one that is sent in the instant of the close.
            with suppress(asyncio.IncompleteReadError):
                served.append(await reader.readuntil(b"\r\n\r\n"))
        finally:
            writer.transport.abort()

    async def work(client: HttpClient) -> bool:
        await client.request("GET", "/a")
        try:
            return (await client.request("GET", "/b", idempotent=idempotent)).status == 200
        except ClientUnavailable:
            return False

    assert against(serve, work) is repeated
    assert len([head for head in served if b"/base/b" in head]) == (2 if repeated else 1)


@pytest.mark.parametrize("path", ["a", "/a b", "/a\r\nX: y", "/é", ""])
def test_a_malformed_path_is_refused_before_anything_is_sent(path: str) -> None:
    async def go() -> None:
        async with HttpClient("http://127.0.0.1:1") as client:
            with pytest.raises(ValueError, match="path"):
                await client.request("GET", path)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("name", "value"), [("X-A", "b\r\nX-B: c"), ("X-A", "b\x00"), ("X A", "b"), ("", "b")]
)
def test_a_malformed_header_is_refused_before_anything_is_sent(name: str, value: str) -> None:
    async def go() -> None:
        async with HttpClient("http://127.0.0.1:1") as client:
            with pytest.raises(ValueError, match="header"):
                await client.request("GET", "/a", headers={name: value})

    asyncio.run(go())


@pytest.mark.parametrize("url", ["https://a", "http://", "a:80", "http://a?b", "http://a#b"])
def test_what_is_not_the_url_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="give http"):
        HttpClient(url)


def test_closing_ends_running_calls() -> None:
    async def work(client: HttpClient) -> None:
        asked = asyncio.Event()

        async def call() -> Reply:
            asked.set()
            return await client.request("GET", "/a")

        running = asyncio.create_task(call())
        await asked.wait()
        await client.close()
        with pytest.raises(ClientUnavailable):
            await running
        with pytest.raises(ClientUnavailable, match="client was closed"):
            await client.request("GET", "/a")

    against(Server(OK, before=asyncio.Event().wait), work)
