import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from servicekit.client import HttpClient, Reply
from servicekit.http import Router
from servicekit.testing.contract import Contract
from servicekit.testing.serving import serving
from servicekit.testing.waiting import until

from rtmanager import journal, records
from rtmanager.conftest import World, container
from rtmanager.containers import Limits
from rtmanager.daemon import Docker
from rtmanager.dispatcher import Dispatcher
from rtmanager.handlers import Handlers
from rtmanager.launching import Launcher, Rules
from rtmanager.observer import Observer
from rtmanager.openapi import PUBLISHED
from rtmanager.runner import Runner
from rtmanager.statedir import StateRoot

BASE = "/api/v1/internal/runtimes"
CONTRACT = Contract(PUBLISHED.document(), jsonschema_rs.validator_for)


class Api:
    """rtmanager over HTTP, without a Docker; every answer is checked against the published contract."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        docker = Docker(f"unix://{folder}/none.sock", timeout=1.0, deployment="test", network="games")
        observer = Observer(docker, world.database, world.messages)
        rules = Rules("test", "games", "/state", {}, "never", 1.0, 1.0, Limits(0.5, 128 << 20, 64))
        self.dispatcher = Dispatcher(
            database=world.database,
            leases=world.leases(),
            runner=Runner(
                docker=docker, database=world.database, launcher=Launcher(docker, StateRoot(str(folder)), rules),
                observer=observer, messages=world.messages, metrics=world.metrics, grace_s=1, start_patience_ms=0,
            ),
            metrics=world.metrics,
            concurrency=2,
            interval_s=60.0,
        )  # fmt: skip
        handlers = Handlers(database=world.database, dispatcher=self.dispatcher)
        router = Router(handlers.routes(), listener="http", metrics=world.metrics)
        self._client = world.enter(HttpClient(world.enter(serving(router))))

    def call(self, method: str, path: str, document: object = None, **headers: str) -> Reply:
        body = b"" if document is None else json.dumps(document).encode()
        if document is not None:
            headers["content-type"] = "application/json"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.world.run(self._client.request(method, BASE + path, headers=named, body=body))
        CONTRACT.check(method, BASE + path, reply.status, json.loads(reply.body))
        return reply

    def json(self, path: str) -> Any:
        reply = self.call("GET", path)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def run_one(self, game_id: str, status: str = "running") -> None:
        """Write a record of a game."""

        async def work() -> None:
            async with self.world.database.transaction() as connection:
                record = await records.set_running(
                    connection, None, container(game_id), game_id=game_id, job_requested_at_ms=None
                )
                if status != "running":
                    record = await records.set_stopped(connection, record, 5)
                if status == "removed":
                    await records.set_removed(connection, record)

        self.world.run(work())


def error(reply: Reply) -> tuple[int, str]:
    return reply.status, json.loads(reply.body)["error"]["code"]


@pytest.fixture
def api(world: World, tmp_path: Path) -> Iterator[Api]:
    api = Api(world, tmp_path)
    yield api
    world.run(api.dispatcher.drain(5))


def test_records_are_read_without_docker(api: Api) -> None:
    api.run_one("g1")
    record = api.json("/g1")
    assert (record["status"], record["engine_endpoint"], record["version"]) == (
        "running",
        "http://game-g1:8080",
        1,
    )
    assert "stopped_at_ms" not in record
    api.run_one("g2", "removed")
    assert api.json("/g2")["removed_at_ms"] >= api.json("/g2")["stopped_at_ms"] == 5
    assert error(api.call("GET", "/g3")) == (404, "not_found")
    assert error(api.call("GET", "/..%2Fetc")) == (404, "not_found")


def test_pages(api: Api) -> None:
    for number in range(5):
        api.run_one(f"g{number}", "stopped" if number % 2 else "running")
    first = api.json("?page_size=2")
    second = api.json(f"?page_size=2&cursor={first['next_cursor']}")
    third = api.json(f"?page_size=2&cursor={second['next_cursor']}")
    assert [each["game_id"] for page in (first, second, third) for each in page["runtimes"]] == [
        f"g{number}" for number in range(5)
    ]
    assert "next_cursor" not in third
    assert [each["game_id"] for each in api.json("?status=stopped")["runtimes"]] == ["g1", "g3"]
    assert api.json("?status=removed") == {"runtimes": []}


@pytest.mark.parametrize(
    "query",
    [
        "status=ill",
        "page_size=0",
        "page_size=101",
        "cursor=%21",
        "cursor=",
        "x=1",
        "status=running&status=stopped",
    ],
)
def test_a_wrong_query_is_refused(api: Api, query: str) -> None:
    assert error(api.call("GET", f"?{query}")) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("POST", "/g1/start", {}),
        ("POST", "/g1/start", {"image_ref": ""}),
        ("POST", "/g1/start", {"image_ref": "a b"}),
        ("POST", "/g1/start", {"image_ref": 1}),
        ("POST", "/g1/start", {"image_ref": "engine:1", "more": 1}),
        ("POST", "/.g1/start", {"image_ref": "engine:1.4.0"}),
        ("POST", f"/{'g' * 59}/start", {"image_ref": "engine:1.4.0"}),
        ("POST", "/g1/stop", {"reason": "Because"}),
        ("POST", "/g1/stop", {"reason": ""}),
        ("POST", "/g1/patch", {"image_ref": ""}),
        ("POST", "/g1/restart", {"image_ref": "engine:1.4.0"}),
        ("DELETE", "/g1", {"force": True}),
    ],
)
def test_a_wrong_document_is_refused(api: Api, method: str, path: str, document: object) -> None:
    assert error(api.call(method, path, document)) == (400, "invalid_request")


def test_a_caller_is_gm_or_admin(api: Api) -> None:
    assert error(api.call("POST", "/g1/restart", x_caller="root")) == (400, "invalid_request")
    assert error(api.call("DELETE", "/g1", x_caller="")) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("POST", "/g1/start", {"image_ref": "engine:1.4.0"}),
        ("POST", "/g1/stop", {"reason": "done"}),
        ("POST", "/g1/restart", None),
        ("POST", "/g1/patch", {"image_ref": "engine:1.4.1"}),
        ("DELETE", "/g1", None),
    ],
)
def test_without_docker_nothing_is_begun(api: Api, method: str, path: str, document: object) -> None:
    api.run_one("g1")
    assert error(api.call(method, path, document)) == (503, "docker_unavailable")
    assert api.json("/g1/operations") == {"operations": []}
    assert api.world.outbox("runtime:job_results") == []


def test_a_game_with_something_to_do_is_in_conflict_while_another_works_on_it(api: Api, world: World) -> None:
    world.lease("g1", world.leases(instance="other", life="b"))

    async def queue() -> None:
        async with world.database.transaction() as connection:
            await journal.add(
                connection,
                game_id="g1",
                kind="stop",
                op_source="lobby_stream",
                status="queued",
                requested_at_ms=1,
            )

    world.run(queue())
    assert error(api.call("POST", "/g1/stop", {"reason": "done"})) == (409, "conflict")


def test_a_start_job_that_finds_no_docker_fails_when_its_patience_ends(api: Api, world: World) -> None:
    async def work() -> None:
        async with world.database.transaction() as connection:
            for kind, ref in (("start", "engine:1.4.0"), ("stop", "")):
                await journal.add(
                    connection, game_id=f"g-{kind}", kind="start" if ref else "stop", op_source="lobby_stream",
                    status="queued", requested_at_ms=1, image_ref=ref,
                )  # fmt: skip
        for game_id in ("g-start", "g-stop"):
            api.dispatcher.wake(game_id)
        idle = world.metrics.gauge("rtmanager_games_in_work", "")
        await until("both were tried", lambda: idle.value() == 0)

    world.run(work())
    (result,) = world.outbox("runtime:job_results")
    assert (result["game_id"], result["outcome"], result["error_code"]) == (
        "g-start",
        "failure",
        "docker_unavailable",
    )
    assert world.outbox("notification:intents") == []
    (waiting,) = api.json("/g-stop/operations")["operations"]
    assert (waiting["status"], waiting["op_source"]) == ("queued", "lobby_stream")
    (failed,) = api.json("/g-start/operations?page_size=1")["operations"]
    assert (failed["status"], failed["error_code"]) == ("failure", "docker_unavailable")


def test_a_cursor_of_the_log_is_one_that_a_page_gave(api: Api) -> None:
    assert error(api.call("GET", "/g1/operations?cursor=YWJj")) == (400, "invalid_request")
    assert error(api.call("GET", "/g1/operations?cursor=%C3%A4")) == (400, "invalid_request")
