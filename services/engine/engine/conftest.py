"""What the tests stand on: the engine over HTTP, in this process or as a process of its own, held to its contract."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hypothesis
import jsonschema_rs
import pytest
from servicekit.client import HttpClient, Reply
from servicekit.health import Health
from servicekit.http import Router
from servicekit.metrics import Registry
from servicekit.testing.contract import Contract
from servicekit.testing.loop import Loop
from servicekit.testing.processes import Process, Processes
from servicekit.testing.serving import serving

from engine.handlers import Handlers
from engine.openapi import PUBLISHED
from engine.store import Store
from engine.table import Table

# How long an example takes says how busy the machine is, nothing else.
hypothesis.settings.register_profile(
    "engine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("engine")

CONTRACT = Contract(PUBLISHED.document(), jsonschema_rs.validator_for)


@pytest.fixture
def world() -> Iterator[Loop]:
    """An event loop for one test."""
    with asyncio.Runner() as runner:
        world = Loop(runner)
        yield world
        world.close()


class Api:
    """The engine over HTTP; every answer is checked against the published contract."""

    def __init__(self, world: Loop, url: str) -> None:
        self.world = world
        self._client = world.enter(HttpClient(url))

    async def ask(self, method: str, path: str, document: object = None) -> Reply:
        """One request."""
        body = b"" if document is None else json.dumps(document).encode()
        headers = {} if document is None else {"content-type": "application/json"}
        reply = await self._client.request(method, path, headers=headers, body=body)
        CONTRACT.check(method, path, reply.status, json.loads(reply.body))
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


@dataclass
class Served:
    """An engine in this process: its API, its state and its health."""

    api: Api
    store: Store
    health: Health


def serve(world: Loop, directory: Path, seed: int | None = 7) -> Served:
    """An engine on a directory, for the rest of the test."""
    store = Store(directory)
    table = Table(store, seed=seed)
    metrics = Registry()
    health = Health(metrics)
    handlers = Handlers(table, health.dependency("state", table.check))
    router = Router(handlers.routes(), listener="http", metrics=metrics, limit=64 * 1024)
    return Served(Api(world, world.enter(serving(router))), store, health)


@pytest.fixture
def api(world: Loop, tmp_path: Path) -> Api:
    """An engine without a game; its seed is 7."""
    return serve(world, tmp_path / "state").api


@pytest.fixture
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Starts processes of the engine."""
    with Processes("engine", tmp_path_factory.mktemp("logs"), {}) as processes:
        yield processes


class Running:
    """A process of the engine that is ready."""

    def __init__(self, world: Loop, process: Process) -> None:
        self._world = world
        self.process = process
        self.api = Api(world, process.url("http"))

    def readiness(self) -> Any:
        """The answer of /readyz."""
        admin = self._world.enter(HttpClient(self.process.url("admin")))
        return json.loads(self._world.run(admin.request("GET", "/readyz")).body)
