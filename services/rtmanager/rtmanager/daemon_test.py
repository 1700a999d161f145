"""The Docker adapter: with the engine of this machine where there is one, and without any."""

import asyncio
import io
import os
import tarfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest
from requests.exceptions import ConnectionError as NoConnection

from rtmanager.containers import DEPLOYMENT, GAME_ID, Limits, Plan
from rtmanager.daemon import Docker, DockerRefused, DockerUnavailable, NameTaken

NAME = f"rtmanager-unit-{os.getpid()}"
IMAGE = f"{NAME}:1.0.0"


class Seen:
    """What a watcher was told."""

    def __init__(self) -> None:
        self.told: list[str | None] = []

    def up(self) -> None:
        self.told.append(None)

    def down(self, reason: str) -> None:
        self.told.append(reason)


def adapter(host: str | None = None) -> Docker:
    return Docker(host, timeout=30.0, deployment=NAME, network=f"{NAME}-not-there")


async def refused(work: Awaitable[object]) -> DockerRefused:
    with pytest.raises(DockerRefused) as problem:
        await work
    return problem.value


@pytest.fixture
def image() -> Iterator[str | None]:
    """An empty image in the engine of this machine; None, with the reason in the report, where no engine can be used."""
    try:
        client = docker.APIClient(version="auto", timeout=30)
    except docker.errors.DockerException:
        yield None
        return
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    changes = ['CMD ["/nothing"]', "USER 10001:10001", "LABEL seatrial.engine.pids=7"]
    client.import_image_from_data(empty.getvalue(), repository=NAME, tag="1.0.0", changes=changes)
    yield IMAGE
    for each in client.containers(all=True, filters={"label": f"{DEPLOYMENT}={NAME}"}):
        client.remove_container(each["Id"], force=True)
    client.remove_image(IMAGE)
    client.close()


def test_smoke_with_the_engine_of_this_machine(
    image: str | None, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("docker_engine", "present" if image else "absent: only its absence was tested")
    asyncio.run(_present(image, tmp_path) if image else _absent(adapter()))


async def _present(image: str, folder: Path) -> None:
    adapted = adapter()
    watcher = Seen()
    adapted.watch(watcher)
    await adapted.ping()
    found = await adapted.image(image)
    assert found is not None
    assert (found.user, found.labels) == ("10001:10001", {"seatrial.engine.pids": "7"})
    assert await adapted.image(f"{NAME}:2.0.0") is None
    assert not await adapted.has_network()
    assert await adapted.container(f"game-{NAME}") is None

    events: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
    connected = asyncio.Event()

    async def follow() -> None:
        async for event in adapted.events(None, connected.set):
            await events.put(event)

    following = asyncio.create_task(follow())
    await connected.wait()
    plan = Plan(
        game_id=NAME, image_ref=image, user="10001:10001", limits=Limits(0.5, 64 << 20, 7), state_path=str(folder),
        state_mount="/state", network="none", labels={DEPLOYMENT: NAME, GAME_ID: NAME},
    )  # fmt: skip
    made = await adapted.create(plan)
    assert (await events.get())["Action"] == "create"
    with pytest.raises(NameTaken):
        await adapted.create(plan)
    (container,) = await adapted.containers(NAME)
    assert (container.id, container.name, container.status) == (made, f"game-{NAME}", "created")
    assert adapted.owns(container)
    assert await adapted.games() == {NAME}
    assert await adapted.containers("another") == []
    assert (await refused(adapted.start(made))).status in {400, 404, 500}  # there is no such program in it
    await adapted.stop(made, 1)
    await adapted.remove(made, force=False)
    await adapted.remove(made, force=False)
    while (await events.get())["Action"] != "destroy":
        pass
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert watcher.told
    assert set(watcher.told) == {None}


async def _absent(adapted: Docker) -> None:
    watcher = Seen()
    adapted.watch(watcher)
    for work in (
        adapted.ping(),
        adapted.games(),
        adapted.container("x"),
        adapted.start("x"),
        adapted.pull("x:1", 5.0),
    ):
        with pytest.raises(DockerUnavailable):
            await work
    with pytest.raises(DockerUnavailable):
        async for _ in adapted.events(None, lambda: None):
            pass
    assert None not in watcher.told


def test_without_an_engine_every_call_says_so(tmp_path: Path) -> None:
    asyncio.run(_absent(adapter(f"unix://{tmp_path}/none.sock")))


def test_an_engine_that_hangs_up_is_away_and_one_that_comes_is_found(tmp_path: Path) -> None:
    async def work() -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        path = f"{tmp_path}/docker.sock"
        adapted = adapter(f"unix://{path}")
        server = await asyncio.start_unix_server(hang_up, path)
        with pytest.raises(DockerUnavailable):
            await adapted.ping()
        server.close()
        os.unlink(path)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            body = b'{"ApiVersion":"1.41"}' if b"/version" in head else b"OK"
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
            )
            writer.close()

        server = await asyncio.start_unix_server(answer, path)
        await adapted.ping()
        server.close()

    asyncio.run(work())


def test_a_reason_names_no_address() -> None:
    from rtmanager.daemon import _why

    inner = ConnectionRefusedError(111, "Connection refused")
    assert _why(NoConnection("http://10.0.0.1:2375", inner)) == "Connection refused"
    assert _why(NoConnection("http://10.0.0.1:2375")) == "no connection, or it was lost"
