"""What the tests stand on: the engine over HTTP, in this process or as a process of its own, held to its contract."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import hypothesis
import jsonschema_rs
import pytest
from servicekit.client import HttpClient, Reply
from servicekit.health import Health
from servicekit.http import Router
from servicekit.metrics import Registry
from servicekit.server import HttpServer

from engine import openapi
from engine.handlers import Handlers
from engine.store import Store
from engine.table import Table

# How long an example takes says how busy the machine is, nothing else.
hypothesis.settings.register_profile(
    "engine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("engine")

T = TypeVar("T")

CONTRACT = openapi.document()
MAIN = "import sys; from engine.main import main; sys.exit(main())"


class World:
    """An event loop, and what was opened in it."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._stack = AsyncExitStack()
        self._plain = ExitStack()

    def run(self, work: Awaitable[T]) -> T:
        """Runs to the end."""

        async def whole() -> T:
            return await work

        return self._runner.run(whole())

    def together(self, *works: Awaitable[T]) -> list[T]:
        """Runs all of them at the same time."""

        async def whole() -> list[T]:
            return list(await asyncio.gather(*works))

        return self._runner.run(whole())

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enters it, for the rest of the test."""
        return self.run(self._stack.enter_async_context(manager))

    def keep(self, thing: socket.socket) -> socket.socket:
        """Closes it at the end of the test."""
        return self._plain.enter_context(thing)

    def at_end(self, work: Callable[[], object]) -> None:
        """Does it at the end of the test."""
        self._plain.callback(work)

    def close(self) -> None:
        """Closes what was opened."""
        self.run(self._stack.aclose())
        self._plain.close()


@pytest.fixture
def world() -> Iterator[World]:
    """An event loop for one test."""
    with asyncio.Runner() as runner:
        world = World(runner)
        yield world
        world.close()


class Api:
    """The engine over HTTP; every answer is checked against the published contract."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self._client = world.enter(HttpClient(url))

    async def ask(self, method: str, path: str, document: object = None) -> Reply:
        """One request."""
        body = b"" if document is None else json.dumps(document).encode()
        headers = {} if document is None else {"content-type": "application/json"}
        reply = await self._client.request(method, path, headers=headers, body=body)
        check(method, path, reply)
        return reply

    def call(self, method: str, path: str, document: object = None) -> Any:
        """One request that succeeds; its answer's document."""
        reply = self.world.run(self.ask(method, path, document))
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def refused(self, method: str, path: str, document: object = None) -> tuple[int, str]:
        """One request that does not; its status and code."""
        reply = self.world.run(self.ask(method, path, document))
        assert reply.status != 200, reply.body
        return reply.status, json.loads(reply.body)["error"]["code"]

    def init(self, *races: str) -> Any:
        """Makes a game."""
        return self.call("POST", "/api/v1/admin/init", {"races": races or ("Ada", "Bob")})

    def turn(self) -> Any:
        """Plays a turn."""
        return self.call("POST", "/api/v1/admin/turn")

    def report(self, race: str = "Ada") -> Any:
        """A race's report."""
        return self.call("GET", f"/api/v1/reports/{quote(race, safe='')}")

    def order(self, *orders: object, race: str = "Ada", turn: int = 0) -> Any:
        """Gives a race's orders."""
        document = {"turn": turn, "orders": orders}
        return self.call("PUT", f"/api/v1/orders/{quote(race, safe='')}", document)


def check(method: str, path: str, reply: Reply) -> None:
    """Holds an answer of a known path against the published contract."""
    for template, item in CONTRACT["paths"].items():
        parts, wanted = path.partition("?")[0].split("/"), template.split("/")
        if len(parts) == len(wanted) and all(w in (p, "{race}") for p, w in zip(parts, wanted, strict=True)):
            response = item[method.lower()]["responses"][str(reply.status)]
            schema = response["content"]["application/json"]["schema"]
            jsonschema_rs.validate(schema | {"components": CONTRACT["components"]}, json.loads(reply.body))
            if reply.status != 200:
                assert json.loads(reply.body)["error"]["code"] in response["x-error-codes"]


@dataclass
class Served:
    """An engine in this process: its API, its state and its health."""

    api: Api
    store: Store
    health: Health


def serve(world: World, directory: Path, seed: int | None = 7) -> Served:
    """An engine on a directory, for the rest of the test."""
    store = Store(directory)
    table = Table(store, seed=seed)
    metrics = Registry()
    health = Health(metrics)
    handlers = Handlers(table, health.dependency("state", table.check))
    router = Router(handlers.routes(), listener="http", metrics=metrics, limit=64 * 1024)
    return Served(Api(world, world.enter(_serving(router))), store, health)


@asynccontextmanager
async def _serving(router: Router) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        server = HttpServer(router, listening)
        await server.start()
        try:
            yield "http://{}:{}".format(*listening.getsockname())
        finally:
            await server.drain(0)


@pytest.fixture
def api(world: World, tmp_path: Path) -> Api:
    """An engine without a game; its seed is 7."""
    return serve(world, tmp_path / "state").api


class Running:
    """A process of the engine that is ready."""

    def __init__(self, world: World, directory: Path, **more: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ENGINE_", "LISTEN_", "PYTHON"))}
        name = f"engine-test-{os.getpid()}-{id(self)}"
        environment = {
            **kept,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ENGINE_HTTP_ADDR": "127.0.0.1:0",
            "ENGINE_ADMIN_ADDR": "127.0.0.1:0",
            "GAME_STATE_PATH": str(directory),
            "NOTIFY_SOCKET": f"@{name}",
            **more,
        }
        self._world = world
        notified = world.keep(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notified.bind(f"\0{name}")
        notified.settimeout(30)
        self.process = subprocess.Popen(
            [sys.executable, "-c", MAIN], env=environment, stderr=subprocess.PIPE, text=True
        )
        world.at_end(self._end)
        while "READY=1" not in (told := notified.recv(4096).decode().split("\n")):
            pass
        self.ready = dict(line.split("=", 1) for line in told)
        self.api = Api(world, f"http://{self.ready['X_LISTEN_HTTP']}")

    def readiness(self) -> Any:
        """The answer of /readyz."""
        admin = self._world.enter(HttpClient(f"http://{self.ready['X_LISTEN_ADMIN']}"))
        return json.loads(self._world.run(admin.request("GET", "/readyz")).body)

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, list[dict[str, Any]]]:
        """Its exit status and its log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=20)
        return self.process.returncode, [json.loads(line) for line in log.splitlines()]
