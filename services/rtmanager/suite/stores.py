"""Postgres and Redis in containers by testcontainers, started once for a run and emptied between tests."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final, TypeVar

from servicekit.failures import Unavailable
from servicekit.postgres import Database
from servicekit.redis import Redis
from servicekit.testing.waiting import until
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

T = TypeVar("T")

MIGRATIONS: Final = resources.files("rtmanager") / "migrations"
TABLES: Final = "runtimes, operations, outbox, inbox"
TIMEOUT_S: Final = 60.0


def image(name: str) -> str:
    """The image for this suite that the tier's session built and named by a variable."""
    variable = f"RTMANAGER_SUITE_{name}_IMAGE"
    found = os.environ.get(variable)
    assert found, (
        f"{variable} is not set: run the suite by `nox -s docker_quick`, or name an image of `make docker-images`"
    )
    return found


class Stores:
    """The two servers, and direct sight of what is in them."""

    def __init__(self, postgres_dsn: str, redis_url: str) -> None:
        self.postgres_dsn = postgres_dsn
        self.redis_url = redis_url

    def run(self, work: Awaitable[T]) -> T:
        """Run to the end."""

        async def whole() -> T:
            return await work

        return asyncio.run(whole())

    def empty(self) -> None:
        """Empty both, and see that they are."""

        async def work() -> None:
            async with Database(
                self.postgres_dsn, migrations=MIGRATIONS, name="suite", timeout=TIMEOUT_S
            ) as database:
                await database.execute(f"TRUNCATE {TABLES} RESTART IDENTITY")
            async with Redis(self.redis_url) as redis:
                await redis.execute("FLUSHALL")
                assert await redis.execute("DBSIZE") == 0

        self.run(work())

    def stream(self, name: str) -> list[dict[str, str]]:
        """The entries of a stream."""
        return self.run(self._stream(name))

    async def _stream(self, name: str) -> list[dict[str, str]]:
        async with Redis(self.redis_url) as redis:
            entries = await redis.execute("XRANGE", name, "-", "+")
        texts = [[part.decode() for part in fields] for _, fields in entries]
        return [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in texts]

    def wait_stream(self, name: str, count: int) -> list[dict[str, str]]:
        """Wait until a stream has at least so many entries; gives all."""

        found: list[dict[str, str]] = []

        async def enough() -> bool:
            found[:] = await self._stream(name)
            return len(found) >= count

        self.run(_until(f"{count} entries of {name}", enough))
        return found

    def add(self, stream: str, **fields: str) -> str:
        """Add an entry; gives its id."""

        async def work() -> str:
            async with Redis(self.redis_url) as redis:
                flat = [part for pair in fields.items() for part in pair]
                entry_id: bytes = await redis.execute("XADD", stream, "*", *flat)
                return entry_id.decode()

        return self.run(work())

    def command(self, *words: str | int) -> Any:
        """A Redis command."""

        async def work() -> Any:
            async with Redis(self.redis_url) as redis:
                return await redis.execute(*words)

        return self.run(work())

    def rows(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        """What Postgres gives."""

        async def work() -> list[dict[str, Any]]:
            async with Database(self.postgres_dsn, migrations=None, name="suite") as database:
                return [dict(row) for row in await database.fetch(sql, *arguments)]

        return self.run(work())


@contextmanager
def running_stores(labels: Mapping[str, str]) -> Iterator[Stores]:
    """Start both servers, labelled."""
    testcontainers_config.sleep_time = 0.05
    testcontainers_config.ryuk_disabled = True  # its image may not be had, and the harness removes by label
    postgres = DockerContainer(image("POSTGRES")).with_exposed_ports(5432).with_kwargs(labels=dict(labels))
    postgres.with_env("POSTGRES_HOST_AUTH_METHOD", "trust").with_env("POSTGRES_DB", "rtmanager")
    redis = DockerContainer(image("REDIS")).with_exposed_ports(6379).with_kwargs(labels=dict(labels))
    with postgres, redis:
        stores = Stores(
            f"postgresql://postgres@{_address(postgres, 5432)}/rtmanager?sslmode=disable",
            f"redis://{_address(redis, 6379)}/0",
        )
        stores.run(_served(stores))
        yield stores


def _address(container: DockerContainer, port: int) -> str:
    return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"


async def _served(stores: Stores) -> None:
    """Wait until both answer."""

    async def both() -> bool:
        try:
            async with (
                Database(stores.postgres_dsn, migrations=None, name="suite") as database,
                Redis(stores.redis_url) as redis,
            ):
                await database.ping()
                await redis.ping()
        except Unavailable:
            return False
        return True

    await _until("an answer of the stores", both)


async def _until(what: str, condition: Callable[[], bool | Awaitable[bool]]) -> None:
    await until(what, condition, timeout=TIMEOUT_S)
