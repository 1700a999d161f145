"""The real process: its boot, its streams, its outages, its drain."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servicekit.client import HttpClient
from servicekit.redis import Redis
from servicekit.testing.postgres import Postgres, fresh_database
from servicekit.testing.processes import Process, Processes
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import until

from lobby.testing import streams
from lobby.testing.api import OWNER, Answer, check, draft
from lobby.testing.world import World


class Running:
    """A process of lobby that is ready."""

    def __init__(self, world: World, process: Process) -> None:
        self.world = world
        self.process = process
        self.client = world.enter(HttpClient(process.url("http"), timeout=10))

    def call(self, method: str, path: str, user: str = OWNER, document: object = None) -> Answer:
        body = b"" if document is None else json.dumps(document).encode()
        headers = {"x-user-id": user, **({} if document is None else {"content-type": "application/json"})}
        return check(
            method, path, self.world.run(self.client.request(method, path, headers=headers, body=body))
        )

    def do(self, path: str, user: str = OWNER, document: object = None) -> dict[str, Any]:
        answer = self.call("POST", f"/api/v1/games{path}", user, document)
        assert answer.status in {200, 201}, answer
        found: dict[str, Any] = answer.document
        return found

    def status(self, game_id: str) -> str:
        found: str = self.call("GET", f"/api/v1/games/{game_id}").document["status"]
        return found

    def readiness(self) -> tuple[int, dict[str, Any]]:
        admin = self.world.enter(HttpClient(self.process.url("admin"), timeout=10))
        reply = self.world.run(admin.request("GET", "/readyz"))
        return reply.status, json.loads(reply.body)["dependencies"]

    def ready_game(self) -> str:
        """A game that is ready to start, with the members ada and bob."""
        game_id: str = self.do("", document=draft())["game_id"]
        self.do(f"/{game_id}/open-enrollment")
        for user in ("ada", "bob"):
            application = self.do(f"/{game_id}/applications", user, {"race_name": user})
            self.do(f"/{game_id}/applications/{application['application_id']}/approve")
        self.do(f"/{game_id}/close-enrollment")
        return game_id

    def until(self, game_id: str, status: str) -> None:
        """Waits until a game is in a state."""
        wait(self.world, f"the game is {status}", lambda: self._is(game_id, status))

    async def _is(self, game_id: str, status: str) -> bool:
        path = f"/api/v1/games/{game_id}"
        reply = await self.client.request("GET", path, headers={"x-user-id": OWNER})
        return bool(json.loads(reply.body)["status"] == status)


def wait(world: World, what: str, condition: Any) -> None:
    world.run(until(what, condition))


class Streams:
    """The streams of a real Valkey, empty at first."""

    def __init__(self, world: World, url: str) -> None:
        self._world = world
        self._redis = world.enter(Redis(url))
        world.run(self._redis.execute("FLUSHALL"))

    async def _entries(self, stream: str) -> list[dict[str, str]]:
        found = []
        for _, flat in await self._redis.execute("XRANGE", stream, "-", "+"):
            texts = [item.decode() for item in flat]
            found.append(dict(zip(texts[::2], texts[1::2], strict=True)))
        return found

    def entries(self, stream: str, least: int = 1) -> list[dict[str, str]]:
        """The entries of a stream, once there are so many; each as published."""

        async def enough() -> bool:
            return len(await self._entries(stream)) >= least

        wait(self._world, f"{least} entries in {stream}", enough)
        found = self._world.run(self._entries(stream))
        for entry in found:
            streams.check(stream, entry)
        return found

    def add(self, stream: str, **fields: str) -> None:
        words = [word for pair in fields.items() for word in pair]
        self._world.run(self._redis.execute("XADD", stream, "*", *words))

    def pending(self, stream: str) -> int:
        found: int = self._world.run(self._redis.execute("XPENDING", stream, "lobby"))[0]
        return found


class Starter:
    """Starts processes."""

    def __init__(self, world: World, processes: Processes) -> None:
        self._world = world
        self.processes = processes

    def start(self, **more: str) -> Running:
        return Running(self._world, self.processes.start(**more))


@pytest.fixture
def starter(world: World, tmp_path: Path, valkey: Valkey) -> Iterator[Starter]:
    variables = {
        "LOBBY_POSTGRES_DSN": world.dsn,
        "LOBBY_REDIS_URL": valkey.url,
        "LOBBY_TICK_MS": "20",
    }
    with Processes("lobby", tmp_path, variables) as processes:
        yield Starter(world, processes)


@pytest.fixture
def redis(world: World, valkey: Valkey) -> Streams:
    return Streams(world, valkey.url)


def result(game_id: str, requested_at_ms: str, **changes: str) -> dict[str, str]:
    return {
        "operation": "start",
        "requested_at_ms": requested_at_ms,
        "game_id": game_id,
        "outcome": "success",
        "container_id": "c" * 64,
        "engine_endpoint": f"http://game-{game_id}:8080",
        "error_code": "",
        "error_message": "",
        **changes,
    }


def test_a_life_from_boot_to_stop(starter: Starter, redis: Streams) -> None:
    running = starter.start()
    assert running.readiness()[0] == 200
    game_id = running.ready_game()
    running.do(f"/{game_id}/start")
    (job,) = redis.entries("runtime:start_jobs")
    assert job["game_id"] == game_id
    redis.add("runtime:job_results", **result("nobody", job["requested_at_ms"]))  # a poison entry before it
    redis.add("runtime:job_results", **result(game_id, job["requested_at_ms"]))
    running.until(game_id, "running")
    (rejected,) = redis.entries("runtime:job_results:rejected")
    assert rejected["reason"] == "game_id: there is no such game"
    redis.add("user:lifecycle_events", event="user.blocked", user_id="ada", occurred_at_ms="1700000000000")
    kinds = [
        entry["notification_type"].removeprefix("lobby.")
        for entry in redis.entries("notification:intents", 7)
    ]
    assert kinds == [
        *["application_submitted", "application_approved"] * 2,
        "game_ready",
        "game_started",
        "member_left",
    ]
    running.do(f"/{game_id}/finish")
    (stop,) = redis.entries("runtime:stop_jobs")
    assert (stop["game_id"], stop["reason"]) == (game_id, "finished")
    assert running.process.stop() == 0
    assert redis.pending("runtime:job_results") == redis.pending("user:lifecycle_events") == 0
    troubles = [
        record["event"] for record in running.process.records() if record["level"] in {"WARNING", "ERROR"}
    ]
    assert troubles == ["stream_entry_rejected"]


def test_a_start_without_a_result_times_out(starter: Starter, redis: Streams) -> None:
    running = starter.start(LOBBY_START_TIMEOUT_MS="50")
    game_id = running.ready_game()
    running.do(f"/{game_id}/start")
    running.until(game_id, "start_failed")
    (start,), (stop,) = redis.entries("runtime:start_jobs"), redis.entries("runtime:stop_jobs")
    assert stop["reason"] == "start_timeout"
    assert int(stop["requested_at_ms"]) > int(start["requested_at_ms"])
    assert running.process.stop() == 0


def test_what_an_instance_leaves_behind_another_takes_over(starter: Starter, redis: Streams) -> None:
    one, other = starter.start(LOBBY_INSTANCE_ID="one"), starter.start(LOBBY_INSTANCE_ID="other")
    games = [one.ready_game(), other.ready_game()]
    for game_id in games:
        one.do(f"/{game_id}/start")
    one.process.kill()
    jobs = redis.entries("runtime:start_jobs", 2)
    assert [job["game_id"] for job in jobs] == games
    for job in jobs:
        redis.add("runtime:job_results", **result(job["game_id"], job["requested_at_ms"]))
    for game_id in games:
        other.until(game_id, "running")
    keys = [entry["idempotency_key"] for entry in redis.entries("notification:intents", 12)]
    assert len(set(keys)) == len(keys) == 12
    assert other.process.stop() == 0


def test_it_serves_without_redis_and_sends_when_it_is_back(
    starter: Starter, world: World, valkey: Valkey
) -> None:
    running = starter.start(LOBBY_REDIS_TIMEOUT_MS="200")
    valkey.kill()
    try:
        game_id = running.ready_game()
        running.do(f"/{game_id}/start")
        status, dependencies = running.readiness()
        assert (status, dependencies["postgres"]["status"], dependencies["redis"]["status"]) == (
            503,
            "ok",
            "unavailable",
        )
    finally:
        valkey.start()
    redis = Streams(world, valkey.url)
    (job,) = redis.entries("runtime:start_jobs")
    redis.add("runtime:job_results", **result(game_id, job["requested_at_ms"]))
    running.until(game_id, "running")
    assert len(redis.entries("notification:intents", 6)) == 6
    assert running.process.stop() == 0


def test_it_answers_503_without_postgres_and_heals(
    starter: Starter, world: World, redis: Streams, postgres: Postgres
) -> None:
    running = starter.start(LOBBY_POSTGRES_TIMEOUT_MS="500")
    game_id = running.ready_game()
    postgres.kill()
    try:
        answer = running.call("POST", f"/api/v1/games/{game_id}/start")
        assert (answer.status, answer.code) == (503, "service_unavailable")
        status, dependencies = running.readiness()
        assert (status, dependencies["postgres"]["status"]) == (503, "unavailable")
    finally:
        postgres.start()

    async def served() -> bool:
        path = f"/api/v1/games/{game_id}"
        return (await running.client.request("GET", path, headers={"x-user-id": OWNER})).status == 200

    wait(world, "it serves again", served)
    running.do(f"/{game_id}/start")
    (job,) = redis.entries("runtime:start_jobs")
    redis.add("runtime:job_results", **result(game_id, job["requested_at_ms"]))
    running.until(game_id, "running")
    assert running.process.stop() == 0
    told = [(r["level"], r["event"]) for r in running.process.records() if r.get("dependency") == "postgres"]
    assert told == [("WARNING", "dependency_unavailable"), ("INFO", "dependency_available")]


def test_what_is_wrong_with_the_configuration_is_said_at_once(starter: Starter) -> None:
    done = starter.processes.run(LOBBY_POSTGRES_DSN="", LOBBY_REDIS_URL="nowhere", LOBBY_TICK_MS="0")
    assert done.returncode == 78
    names = [line.partition(":")[0] for line in done.stderr.splitlines()]
    assert names == ["LOBBY_POSTGRES_DSN", "LOBBY_REDIS_URL", "LOBBY_TICK_MS"]


def test_migrate_brings_a_database_up_to_date(starter: Starter, postgres: Postgres) -> None:
    with fresh_database(postgres, None) as dsn:
        first = starter.processes.run("migrate", LOBBY_POSTGRES_DSN=dsn)
        assert (first.returncode, first.stdout) == (0, "applied 0001_games.sql\napplied 0002_messages.sql\n")
        again = starter.processes.run("migrate", LOBBY_POSTGRES_DSN=dsn)
        assert (again.returncode, again.stdout) == (0, "nothing to apply\n")
    assert (
        starter.processes.run("migrate", LOBBY_POSTGRES_DSN="postgresql://127.0.0.1:1/lobby").returncode == 69
    )


def test_a_boot_imports_nothing_that_it_does_not_need(starter: Starter) -> None:
    loaded = starter.processes.modules("lobby.service")
    assert "lobby.handlers" in loaded
    assert not loaded & {"yaml", "importlib.metadata", "starlette", "redis", "httpx", "psycopg", "hypothesis"}
