"""What the tests stand on: a real Postgres and a real Valkey, and an event loop to talk to them."""

import asyncio
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import hypothesis
import pytest
from servicekit.health import Health
from servicekit.metrics import Registry
from servicekit.postgres import Database
from servicekit.redis import Redis
from servicekit.testing.loop import Loop
from servicekit.testing.postgres import Postgres, embedded_postgres, fresh_database
from servicekit.testing.valkey import Valkey, embedded_valkey

from rtmanager.containers import DEPLOYMENT, GAME_ID, IMAGE_REF, OPERATION_ID, Container
from rtmanager.leases import Lease, Leases
from rtmanager.messages import Messages

# How long an example takes says how busy the machine is, nothing else.
hypothesis.settings.register_profile(
    "rtmanager", deadline=None, database=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("rtmanager")


def pytest_configure(config: pytest.Config) -> None:
    """Let pass that the Docker SDK leaves a socket which could not connect to the collector."""
    ignored = "ignore:Exception ignored in. <socket.socket.*family=1:pytest.PytestUnraisableExceptionWarning"
    config.addinivalue_line("filterwarnings", ignored)


MIGRATIONS = resources.files("rtmanager") / "migrations"
RUN = "2026-11-21T12:00:00.123456789Z"
LATER_RUN = "2026-11-21T12:30:00.5Z"
ENDED = "2026-11-21T13:00:00.25Z"
NEVER = "0001-01-01T00:00:00Z"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests."""
    with embedded_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """One server for all tests."""
    with embedded_valkey() as server:
        yield server


def container(game_id: str = "g1", **changes: Any) -> Container:
    """A running container of a game, as an inspection would find it, but for ``changes``."""
    labels = {DEPLOYMENT: "test", GAME_ID: game_id, IMAGE_REF: "engine:1.4.0", OPERATION_ID: "op_1"}
    values: dict[str, Any] = {
        "id": "c" * 64, "name": f"game-{game_id}", "labels": labels, "image_ref": "engine:1.4.0", "status": "running",
        "run": RUN, "ended": NEVER, "exit_code": 0, "oom_killed": False, "health": "", "failing_streak": 0,
        "address": "127.0.0.1",
    }  # fmt: skip
    return Container(**(values | changes))


class World(Loop):
    """An event loop, an empty database and an empty Redis."""

    def __init__(self, runner: asyncio.Runner, dsn: str, url: str) -> None:
        super().__init__(runner)
        self.dsn = dsn
        self.url = url
        self.metrics = Registry()
        self.health = Health(self.metrics)
        self.messages = Messages(self.metrics)
        self.database = self.enter(Database(dsn, migrations=MIGRATIONS, name="test"))
        self.redis = self.enter(Redis(url))

    def leases(self, *, instance: str = "one", life: str = "a", seconds: float = 30.0) -> Leases:
        """Leases of an instance."""
        return Leases(
            self.redis, self.database, instance=instance, life=life, seconds=seconds, metrics=self.metrics
        )

    def lease(self, game_id: str = "g1", leases: Leases | None = None) -> Lease:
        """A lease that is held for the rest of the test."""
        lease = self.run((leases or self.leases()).acquire(game_id))
        assert lease is not None
        return self.enter(lease)

    def outbox(self, stream: str) -> list[dict[str, str]]:
        """The messages that were written for a stream, in their order."""
        rows = self.run(
            self.database.fetch("SELECT fields FROM outbox WHERE stream = $1 ORDER BY id", stream)
        )
        return [json.loads(row["fields"]) for row in rows]

    def events(self) -> list[str]:
        """The types of the health events that were written."""
        return [fields["event_type"] for fields in self.outbox("runtime:health_events")]


@pytest.fixture
def world(postgres: Postgres, valkey: Valkey) -> Iterator[World]:
    """An empty world."""
    with fresh_database(postgres, MIGRATIONS) as dsn, asyncio.Runner() as runner:
        world = World(runner, dsn, valkey.unix_url)
        world.run(world.redis.execute("FLUSHALL"))
        yield world
        world.close()
