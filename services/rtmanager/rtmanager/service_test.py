"""The real process: its boot, its readiness without anything, its drain."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servicekit.client import HttpClient
from servicekit.testing.postgres import Postgres, fresh_database

from rtmanager.conftest import World

MAIN = "import sys; from rtmanager.main import main; sys.exit(main())"


class Starter:
    """Starts a process, and ends what a test left."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self.log = folder / "log"
        self._running: list[subprocess.Popen[bytes]] = []
        self._notified: list[socket.socket] = []

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RTMANAGER_", "LISTEN_", "PYTHON"))
        }
        return kept | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RTMANAGER_HTTP_ADDR": "127.0.0.1:0",
            "RTMANAGER_ADMIN_ADDR": "127.0.0.1:0",
            "RTMANAGER_POSTGRES_DSN": self._world.dsn,
            "RTMANAGER_REDIS_URL": self._world.url,
            "RTMANAGER_NETWORK": "games",
            "RTMANAGER_STATE_ROOT": str(self._folder / "state"),
            "RTMANAGER_DOCKER_HOST": f"unix://{self._folder}/none.sock",
            "RTMANAGER_BLOCK_MS": "100",
            **more,
        }

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", MAIN, *arguments],
            env=self.environment(**more), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def start(self, **more: str) -> tuple["subprocess.Popen[bytes]", dict[str, str]]:
        notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.append(notified)
        name = f"\0rtmanager-test-{os.getpid()}-{len(self._running)}"
        notified.bind(name)
        notified.settimeout(60)
        environment = self.environment(**more) | {"NOTIFY_SOCKET": f"@{name[1:]}"}
        with self.log.open("ab") as stderr:
            process = subprocess.Popen([sys.executable, "-c", MAIN], env=environment, stderr=stderr)
        self._running.append(process)
        while "READY=1" not in (told := notified.recv(4096).decode().split("\n")):
            pass
        return process, dict(line.split("=", 1) for line in told)

    def get(self, address: str, path: str) -> tuple[int, Any]:
        async def call() -> tuple[int, Any]:
            async with HttpClient(f"http://{address}") as client:
                reply = await client.request("GET", path)
                return reply.status, json.loads(reply.body)

        return self._world.run(call())

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        for notified in self._notified:
            notified.close()


@pytest.fixture
def starter(world: World, tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(world, tmp_path)
    yield starter
    starter.end()


def test_it_is_ready_without_docker_says_so_and_drains(starter: Starter) -> None:
    process, ready = starter.start()
    status, document = starter.get(ready["X_LISTEN_ADMIN"], "/readyz")
    assert status == 503
    states = {name: state["status"] for name, state in document["dependencies"].items()}
    assert states == {"postgres": "ok", "redis": "ok", "docker": "unavailable"}
    assert starter.get(ready["X_LISTEN_HTTP"], "/api/v1/internal/runtimes") == (200, {"runtimes": []})
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    records = [json.loads(line) for line in starter.log.read_text().splitlines()]
    warnings = [record["event"] for record in records if record["level"] not in {"INFO", "DEBUG"}]
    assert warnings == ["dependency_unavailable"]


def test_it_is_ready_without_anything(starter: Starter, tmp_path: Path) -> None:
    process, ready = starter.start(
        RTMANAGER_POSTGRES_DSN=f"postgresql://postgres@/none?host={tmp_path}",
        RTMANAGER_REDIS_URL=f"unix://{tmp_path}/none.sock",
    )
    status, document = starter.get(ready["X_LISTEN_HTTP"], "/api/v1/internal/runtimes/g1")
    assert (status, document["error"]["code"]) == (503, "service_unavailable")
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_migrate_brings_the_database_to_the_newest_migration(starter: Starter, postgres: Postgres) -> None:
    with fresh_database(postgres, None) as dsn:
        first, second = (starter.run("migrate", RTMANAGER_POSTGRES_DSN=dsn) for _ in range(2))
    assert (first.returncode, first.stdout) == (0, "applied 0001_runtimes.sql\n")
    assert (second.returncode, second.stdout) == (0, "nothing to apply\n")


def test_a_missing_configuration_ends_with_78(starter: Starter) -> None:
    ended = starter.run(RTMANAGER_NETWORK="", RTMANAGER_STATE_ROOT="here")
    assert ended.returncode == 78
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == [
        "RTMANAGER_NETWORK",
        "RTMANAGER_STATE_ROOT",
    ]


def test_a_boot_imports_nothing_that_it_does_not_need(starter: Starter) -> None:
    code = "import rtmanager.service, sys; print(*sorted(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], env=starter.environment(), capture_output=True, text=True, check=True
    )
    loaded = set(output.stdout.split())
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
