"""rtmanager in the tests' own process: its real parts on a loop of its own, its HTTP on a real socket."""

import asyncio
import concurrent.futures
import json
import socket
import threading
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from servicekit.admin import admin_router
from servicekit.client import HttpClient
from servicekit.config import load
from servicekit.context import Context, Parts
from servicekit.server import HttpServer

from rtmanager.config import PREFIX, Config
from rtmanager.observer import Observer
from rtmanager.service import SERVICE, assemble

T = TypeVar("T")

TIMEOUT_S: Final = 60.0
RUNTIMES: Final = "/api/v1/internal/runtimes"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: Any
    error_code: str | None

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of an error."""
        return self.status, self.body["error"]["code"]


class Manager:
    """One instance of rtmanager, as a context."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._config = load(Config, PREFIX, variables)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rtmanager", daemon=True)
        self._ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._stop = asyncio.Event()
        self._life: concurrent.futures.Future[None] | None = None
        self.ports: dict[str, int] = {}
        self._observer: Observer | None = None

    def __enter__(self) -> "Manager":
        self._thread.start()
        self._life = asyncio.run_coroutine_threadsafe(self._live(), self._loop)
        self._life.add_done_callback(self._died)
        self._ready.result(TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        try:
            if self._life is not None:
                self._life.result(TIMEOUT_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(TIMEOUT_S)
            self._loop.close()

    def _died(self, life: "concurrent.futures.Future[None]") -> None:
        problem = life.exception()
        if problem is not None and not self._ready.done():
            self._ready.set_exception(problem)

    async def _live(self) -> None:
        parts = Parts()
        async with parts.stack:
            context = Context("rtmanager", self._config, SERVICE.listeners, {}, parts)
            self._observer = await assemble(context)
            context.serve("admin", admin_router(context.health, context.metrics))
            servers = []
            for name, app in parts.apps.items():
                listening = socket.create_server(("127.0.0.1", 0))
                listening.setblocking(False)
                self.ports[name] = listening.getsockname()[1]
                server = HttpServer(app, listening)
                await server.start()
                servers.append(server)
            self._ready.set_result(None)
            await self._stop.wait()
            for server in servers:
                await server.drain(0.5)
            for drain in (*parts.drains, *parts.last_drains):
                await drain(5.0)
            tasks = list(parts.tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if parts.failed.is_set():
                raise AssertionError("a background task of rtmanager failed; see its log")

    def _run(self, work: Awaitable[T]) -> T:
        async def whole() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(whole(), self._loop).result(TIMEOUT_S)

    def call(
        self, method: str, path: str, document: object = None, *, listener: str = "http", **headers: str
    ) -> Answer:
        """One request."""
        return self._run(self._call(method, path, document, listener, headers))

    async def _call(
        self, method: str, path: str, document: object, listener: str, given: dict[str, str]
    ) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in given.items()}
        body = b""
        if document is not None:
            body = json.dumps(document).encode()
            headers["content-type"] = "application/json"
        async with HttpClient(f"http://127.0.0.1:{self.ports[listener]}", timeout=TIMEOUT_S) as client:
            reply = await client.request(method, path, headers=headers, body=body)
        return Answer(reply.status, json.loads(reply.body), reply.headers.get("x-error-code"))

    def begin(self, method: str, path: str, document: object = None) -> "concurrent.futures.Future[Answer]":
        """A request whose answer is awaited later."""
        return asyncio.run_coroutine_threadsafe(self._call(method, path, document, "http", {}), self._loop)

    def do(self, game_id: str, what: str, document: object = None, **headers: str) -> Answer:
        """A POST to a game's runtime."""
        return self.call("POST", f"{RUNTIMES}/{game_id}/{what}", document, **headers)

    def start(self, game_id: str, image_ref: str) -> dict[str, Any]:
        """Start a game, which must succeed; gives the record."""
        answer = self.do(game_id, "start", {"image_ref": image_ref})
        assert answer.status == 200, answer.body
        record: dict[str, Any] = answer.body
        return record

    def get(self, game_id: str) -> dict[str, Any]:
        """The record of a game."""
        answer = self.call("GET", f"{RUNTIMES}/{game_id}")
        assert answer.status == 200, answer.body
        record: dict[str, Any] = answer.body
        return record

    def look_again(self) -> None:
        """Compare every record with Docker, now."""
        assert self._observer is not None
        self._run(self._observer.look_at_all())

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""

        async def text() -> str:
            async with HttpClient(f"http://127.0.0.1:{self.ports['admin']}") as client:
                return (await client.request("GET", "/metrics")).body.decode()

        (line,) = [each for each in self._run(text()).splitlines() if each.startswith(f"{name} ")]
        return float(line.split()[1])

    def readiness(self) -> dict[str, str]:
        """What /readyz says of each dependency."""
        found = self.call("GET", "/readyz", listener="admin").body["dependencies"]
        return {name: state["status"] for name, state in found.items()}
