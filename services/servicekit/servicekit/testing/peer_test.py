"""A loop, a served router and a peer: together they are how services are tested from inside."""

import asyncio
from collections.abc import Iterator

import pytest

from servicekit import admin
from servicekit.client import ClientTimeout, ClientUnavailable, HttpClient
from servicekit.health import Health
from servicekit.metrics import Registry
from servicekit.testing.loop import Loop
from servicekit.testing.peer import Answer, Asked, Peer
from servicekit.testing.serving import serving


@pytest.fixture
def loop() -> Iterator[Loop]:
    with asyncio.Runner() as runner:
        loop = Loop(runner)
        yield loop
        loop.close()


class Echo(Peer[str]):
    """Answers with what it was asked, or as the path says."""

    async def answer(self, asked: Asked) -> Answer:
        await self.record(asked.path)
        match asked.path:
            case "/hang":
                return "hang"
            case "/drop":
                return "drop"
            case "/raw":
                return b"nonsense\r\n\r\n"
            case _:
                return 202, [asked.method, asked.body.decode(), asked.headers["x-name"]]


def test_a_peer_answers_as_it_is_told(loop: Loop) -> None:
    peer = Echo()
    client = loop.enter(HttpClient(loop.enter(peer).url, timeout=0.2))
    asked = [client.request("POST", "/a", headers={"X-Name": "n"}, body=b"b") for _ in range(2)]
    replies = loop.together(*asked)
    assert {(reply.status, reply.body) for reply in replies} == {(202, b'["POST", "b", "n"]')}
    with pytest.raises(ClientTimeout):
        loop.run(client.request("GET", "/hang"))
    for path in ("/drop", "/raw"):
        with pytest.raises(ClientUnavailable):
            loop.run(client.request("GET", path))
    loop.run(peer.called(5))
    assert peer.calls == ["/a", "/a", "/hang", "/drop", "/raw"]
    loop.run(peer.stop())
    with pytest.raises(ClientUnavailable):
        loop.run(client.request("GET", "/a"))


def test_a_router_is_served_until_the_loop_is_closed() -> None:
    metrics = Registry()
    with asyncio.Runner() as runner:
        loop = Loop(runner)
        url = loop.enter(serving(admin.admin_router(Health(metrics), metrics)))
        assert loop.run(loop.enter(HttpClient(url)).request("GET", "/healthz")).status == 200
        loop.close()

        async def again() -> None:
            async with HttpClient(url) as client:
                await client.request("GET", "/healthz")

        with pytest.raises(ClientUnavailable):
            loop.run(again())
