"""The service's parts, put together."""

import os
from pathlib import Path
from typing import Final

from servicekit import inbox
from servicekit.app import Context, Service
from servicekit.listeners import Listener
from servicekit.outbox import Relay
from servicekit.postgres import Database
from servicekit.redis import Redis
from servicekit.streams import Consumer, Handler

from lobby import results, users
from lobby.calls import Rules
from lobby.config import PREFIX, Config
from lobby.handlers import Handlers
from lobby.ticker import Ticker

MIGRATIONS: Final = Path(__file__).parent / "migrations"
GROUP: Final = "lobby"


def database(config: Config) -> Database:
    """The service's database."""
    return Database(
        config.postgres_dsn,
        migrations=MIGRATIONS,
        name="lobby",
        timeout=config.postgres_timeout_ms / 1000,
        max_connections=config.postgres_max_connections,
    )


async def start(context: Context[Config]) -> None:
    """Starts the service. Neither Postgres nor Redis need be there yet."""
    config = context.config
    timeout = config.redis_timeout_ms / 1000
    redis = await context.enter(
        Redis(config.redis_url, timeout=timeout, connect_timeout=timeout, name="lobby")
    )
    redis.watch(context.health.dependency("redis", redis.ping))
    store = database(config)
    store.watch(context.health.dependency("postgres", store.ping))
    await context.enter(store)
    retention_s = config.messages_retention_ms / 1000
    relay = Relay(store, redis, service="lobby", metrics=context.metrics, retention_s=retention_s)
    context.task(relay.run(), name="outbox")
    # A request that ends in the drain is told of before the end.
    context.on_drain(relay.drain, last=True)
    context.task(inbox.keep_pruned(store, retention_s=retention_s), name="inbox")
    consumer = config.instance_id or f"lobby-{os.urandom(8).hex()}"

    def consume(stream: str, rejected: str, handler: Handler) -> None:
        reader = Consumer(
            redis,
            stream=stream,
            group=GROUP,
            consumer=consumer,
            handler=handler,
            rejected=rejected,
            start="0",
            claim_idle_ms=config.claim_idle_ms,
        )
        context.task(reader.run(), name=stream)

    consume(results.STREAM, results.REJECTED, results.Results(store).handle)
    consume(users.STREAM, users.REJECTED, users.Users(store).handle)
    ticker = Ticker(store, every_ms=config.tick_ms, start_timeout_ms=config.start_timeout_ms)
    context.task(ticker.run(), name="ticker")
    handlers = Handlers(store, Rules(invite_ttl_ms=config.invite_ttl_ms))
    context.serve_operations("http", handlers.routes())


SERVICE: Final = Service(
    name="lobby",
    prefix=PREFIX,
    config=Config,
    listeners=(Listener("http", "127.0.0.1:8100"), Listener("admin", "127.0.0.1:8101")),
    start=start,
    database=database,
    description="Games: enrolment, membership, life cycle.",
)
