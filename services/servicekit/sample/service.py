"""What the sample serves: an operation for each thing that can happen to a request while a service lives and stops."""

import asyncio
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from servicekit import logs
from servicekit.app import Context, Service
from servicekit.config import ServiceConfig, optional, variable
from servicekit.failures import StartError
from servicekit.http import Operation, Request, Response, json_response
from servicekit.listeners import Listener, address_of
from servicekit.parsers import base64_key, one_of, postgres_dsn, text, url
from servicekit.redis import Redis

if TYPE_CHECKING:
    from servicekit.postgres import Database

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_log = logs.get("sample")


class Name(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A document with one field."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """The sample's variables."""

    key: bytes = variable(base64_key(32), secret=True, help="A secret")
    start: str = variable(one_of("well", "badly", "never"), default="well", help="How the start goes")
    postgres_dsn: str | None = optional(postgres_dsn(), secret=True, help="The database of the things")
    migrations: str = variable(
        text(), default=str(MIGRATIONS), help="The folder of the database's migrations"
    )
    redis_url: str = variable(url("redis"), default="redis://127.0.0.1:1", help="Where the messages go")


def database(config: Config) -> "Database":
    """Make the sample's database."""
    from servicekit.postgres import Database  # most of the samples have none

    if config.postgres_dsn is None:
        raise StartError("SAMPLE_POSTGRES_DSN is missing (set it)")
    return Database(config.postgres_dsn, migrations=Path(config.migrations), name="sample", timeout=1)


class Things:
    """The part of the sample that has a database."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    @classmethod
    async def start(cls, context: Context[Config]) -> "Things":
        """Start the database, and the relay of its messages."""
        from servicekit.outbox import Relay

        own = database(context.config)
        own.watch(context.health.dependency("postgres", own.ping))
        await context.enter(own)
        redis = await context.enter(Redis(context.config.redis_url, name="sample"))
        redis.watch(context.health.dependency("redis", redis.ping))
        relay = Relay(own, redis, service="sample", metrics=context.metrics)
        context.task(relay.run(), name="outbox")
        context.on_drain(relay.drain, last=True)
        return cls(own)

    async def add(self, request: Request) -> Response:
        """Add a thing, and tell the stream `things`."""
        from servicekit import outbox

        name = (await request.json(Name)).name
        async with self._database.transaction() as connection:
            await connection.execute("INSERT INTO things (name) VALUES ($1)", name)
            await outbox.put(connection, "things", {"name": name})
        return Response(204)


class Handlers:
    """The sample's handlers, each one a fate."""

    def __init__(self, context: Context[Config]) -> None:
        self._context = context
        self.draining = asyncio.Event()

    async def drain(self, _: float) -> None:
        """Let go of what is held until now."""
        self.draining.set()

    async def echo(self, request: Request) -> Response:
        """Give the document back."""
        return json_response(await request.json(Name))

    async def until_drain(self, _: Request) -> Response:
        """Answer when the drain has begun."""
        _log.info("holding")
        await self.draining.wait()
        return json_response(Name("held"))

    async def for_ever(self, _: Request) -> Response:
        """Never answer."""
        _log.info("holding")
        await asyncio.Event().wait()
        return Response(204)

    async def block(self, _: Request) -> Response:
        """Stop the event loop."""
        _log.info("blocking")
        threading.Event().wait()
        return Response(204)

    async def fail(self, _: Request) -> Response:
        """Be defective."""
        raise RuntimeError("wrong password for ada@example.test")

    async def doom(self, _: Request) -> Response:
        """Start a background task that fails."""

        async def work() -> None:
            raise RuntimeError("doomed")

        self._context.task(work(), name="doomed")
        return Response(204)

    async def leak(self, request: Request) -> Response:
        """Log what must not be logged."""
        key = os.environ["SAMPLE_KEY"]
        _log.info("leak", email="ada@example.test", code="123456", text=key, peer=request.peer)
        return Response(204)

    async def environment(self, _: Request) -> Response:
        """Give the names of the environment's variables."""
        return json_response(sorted(os.environ))


def _operation(name: str, method: str = "GET") -> Operation:
    request = Name if method == "POST" else None
    return Operation(id=name, method=method, path=f"/{name}", summary=name, request=request)


async def start(context: Context[Config]) -> None:
    """Start the sample, well, badly or never."""
    if context.config.start == "badly":
        raise RuntimeError("no start")
    if context.config.start == "never":
        _log.info("starting")
        await asyncio.Event().wait()
    handlers = Handlers(context)
    operations = [
        (_operation("echo", "POST"), handlers.echo),
        (_operation("until-drain"), handlers.until_drain),
        (_operation("for-ever"), handlers.for_ever),
        (_operation("block"), handlers.block),
        (_operation("fail"), handlers.fail),
        (_operation("doom"), handlers.doom),
        (_operation("leak"), handlers.leak),
        (_operation("environment"), handlers.environment),
    ]
    if context.config.postgres_dsn is not None:
        operations.append((_operation("things", "POST"), (await Things.start(context)).add))
    context.serve_operations("http", operations)
    address = context.address("own")
    own = await asyncio.start_server(lambda _, writer: writer.close(), address.host, address.port)
    context.bound("own", address_of(own.sockets[0]))
    context.on_drain(handlers.drain)


SERVICE = Service(
    name="servicekit",
    prefix="SAMPLE",
    config=Config,
    listeners=(
        Listener("http", "127.0.0.1:0"),
        Listener("admin", "127.0.0.1:0"),
        Listener("own", "127.0.0.1:0", passed=False),
    ),
    start=start,
    database=database,
    database_fields=("postgres_", "migrations"),
    description="A sample",
)
