"""What the tests stand on: a real PostgreSQL, a real Valkey, a user service, and an event loop to talk to them."""

from collections.abc import Iterator

import hypothesis
import pytest
from servicekit.testing.postgres import Postgres, embedded_postgres, fresh_database
from servicekit.testing.valkey import Valkey, embedded_valkey

from notification.service import MIGRATIONS
from notification.testing.world import World, running

# How long an example takes says how busy the machine is, nothing else.
hypothesis.settings.register_profile(
    "notification", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("notification")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One server for all tests."""
    with embedded_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """One server for all tests that do not stop it."""
    with embedded_valkey() as server:
        yield server


@pytest.fixture
def dsn(postgres_server: Postgres) -> Iterator[str]:
    """A database of its own, migrated."""
    with fresh_database(postgres_server, MIGRATIONS) as dsn:
        yield dsn


@pytest.fixture
def world(dsn: str, valkey_server: Valkey) -> Iterator[World]:
    """Everything, empty."""
    with running(dsn, valkey_server.unix_url) as world:
        world.command("FLUSHALL")
        yield world
