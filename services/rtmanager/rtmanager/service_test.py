"""The real process: its boot, its readiness without anything, its drain."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servicekit.client import HttpClient
from servicekit.testing.postgres import Postgres, fresh_database
from servicekit.testing.processes import Process, Processes

from rtmanager.conftest import World


@pytest.fixture
def processes(world: World, tmp_path: Path) -> Iterator[Processes]:
    variables = {
        "RTMANAGER_POSTGRES_DSN": world.dsn,
        "RTMANAGER_REDIS_URL": world.url,
        "RTMANAGER_NETWORK": "games",
        "RTMANAGER_STATE_ROOT": str(tmp_path / "state"),
        "RTMANAGER_DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "RTMANAGER_BLOCK_MS": "100",
    }
    with Processes("rtmanager", tmp_path, variables) as processes:
        yield processes


def get(world: World, process: Process, listener: str, path: str) -> tuple[int, Any]:
    reply = world.run(world.enter(HttpClient(process.url(listener))).request("GET", path))
    return reply.status, json.loads(reply.body)


def test_it_is_ready_without_docker_says_so_and_drains(processes: Processes, world: World) -> None:
    process = processes.start()
    status, document = get(world, process, "admin", "/readyz")
    assert status == 503
    states = {name: state["status"] for name, state in document["dependencies"].items()}
    assert states == {"postgres": "ok", "redis": "ok", "docker": "unavailable"}
    assert get(world, process, "http", "/api/v1/internal/runtimes") == (200, {"runtimes": []})
    assert process.stop() == 0
    warnings = [record["event"] for record in process.records() if record["level"] not in {"INFO", "DEBUG"}]
    assert warnings == ["dependency_unavailable"]


def test_it_is_ready_without_anything(processes: Processes, world: World, tmp_path: Path) -> None:
    process = processes.start(
        RTMANAGER_POSTGRES_DSN=f"postgresql://postgres@/none?host={tmp_path}",
        RTMANAGER_REDIS_URL=f"unix://{tmp_path}/none.sock",
    )
    status, document = get(world, process, "http", "/api/v1/internal/runtimes/g1")
    assert (status, document["error"]["code"]) == (503, "service_unavailable")
    assert process.stop() == 0


def test_migrate_brings_the_database_to_the_newest_migration(
    processes: Processes, postgres: Postgres
) -> None:
    with fresh_database(postgres, None) as dsn:
        first, second = (processes.run("migrate", RTMANAGER_POSTGRES_DSN=dsn) for _ in range(2))
    assert (first.returncode, first.stdout) == (0, "applied 0001_runtimes.sql\n")
    assert (second.returncode, second.stdout) == (0, "nothing to apply\n")


def test_a_missing_configuration_ends_with_78(processes: Processes) -> None:
    ended = processes.run(RTMANAGER_NETWORK="", RTMANAGER_STATE_ROOT="here")
    assert ended.returncode == 78
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == [
        "RTMANAGER_NETWORK",
        "RTMANAGER_STATE_ROOT",
    ]


def test_a_boot_imports_nothing_that_it_does_not_need(processes: Processes) -> None:
    loaded = processes.modules("rtmanager.service")
    assert "rtmanager.handlers" in loaded
    assert not loaded & {
        "docker",
        "requests",
        "urllib3",
        "yaml",
        "importlib.metadata",
        "starlette",
        "redis",
        "httpx",
    }
