"""What the tests stand on: a real PostgreSQL and a real Valkey, and an event loop to talk to them."""

import asyncio
from collections.abc import Iterator

import hypothesis
import pytest
from servicekit.testing.postgres import Postgres, embedded_postgres, fresh_database
from servicekit.testing.valkey import Valkey, embedded_valkey

from lobby.service import MIGRATIONS
from lobby.testing.api import Api
from lobby.testing.world import World

# How long an example takes says how busy the machine is, nothing else.
hypothesis.settings.register_profile(
    "lobby", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("lobby")


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


@pytest.fixture
def world(postgres: Postgres) -> Iterator[World]:
    """An empty world."""
    with fresh_database(postgres, MIGRATIONS) as dsn, asyncio.Runner() as runner:
        world = World(runner, dsn)
        yield world
        world.close()


@pytest.fixture
def api(world: World) -> Api:
    """lobby over HTTP."""
    return Api(world)
