"""The service's parts, put together."""

import os
from pathlib import Path
from typing import Final

from servicekit.app import Context, Service
from servicekit.client import HttpClient
from servicekit.context import Drain
from servicekit.health import Dependency
from servicekit.listeners import Listener
from servicekit.postgres import Database
from servicekit.redis import Redis
from servicekit.streams import Consumer

from notification import catalogue, intents, mail, push, user_states
from notification.budget import Budget
from notification.catalogue import Channel
from notification.config import PREFIX, Config
from notification.dead_letters import DeadLetters
from notification.handlers import Handlers
from notification.housekeeping import Housekeeping
from notification.intake import Intake
from notification.lanes import Lane
from notification.ledger import Ledger
from notification.mail import Mail
from notification.publishing import Publisher
from notification.push import Push
from notification.routes import Routes
from notification.screening import screened
from notification.templates import Templates
from notification.users import Users

MIGRATIONS: Final = Path(__file__).parent / "migrations"
GROUP: Final = "notification"

_PUSH_BATCH: Final = 256
_EMAIL_BATCH: Final = 16
_EMAIL_WORKERS: Final = 4
"""A user whose lookup hangs delays those of his worker's batch, and not the other workers'."""
_DRAIN_MARGIN_S: Final = 0.2
"""Kept of the stop budget for giving up what is left, in order and with a log line."""


def database(config: Config) -> Database:
    """The service's database."""
    return Database(
        config.postgres_dsn,
        migrations=MIGRATIONS,
        name="notification",
        timeout=config.postgres_timeout_ms / 1000,
    )


async def start(context: Context[Config]) -> None:
    """Starts the service. Neither Postgres nor Redis need be there yet: entries and routes wait meanwhile."""
    config = context.config
    known = catalogue.load()
    templates = Templates(known)
    redis_timeout = config.redis_timeout_ms / 1000
    redis = await context.enter(
        Redis(config.redis_url, timeout=redis_timeout, connect_timeout=redis_timeout, name="notification")
    )
    redis.watch(context.health.dependency("redis", redis.ping))
    store = database(config)
    store.watch(context.health.dependency("postgres", store.ping))
    store = await context.enter(store)
    routes = Routes(store, lease_ms=config.lease_ms)
    pusher = Push(_publisher(config, redis, push.STREAM, config.client_events_max_length))
    mailer = Mail(
        users=await _users(context),
        publisher=_publisher(config, redis, mail.STREAM, config.mail_commands_max_length),
        templates=templates,
        admins=config.admin_emails,
        admin_locale=config.admin_locale,
    )
    pushes = Lane(
        "push",
        routes,
        screened(store, pusher.deliver),
        Budget(
            max_attempts=config.push_max_attempts,
            first_ms=config.push_backoff_first_ms,
            most_ms=config.push_backoff_most_ms,
        ),
        workers=1,
        batch=_PUSH_BATCH,
        poll_ms=config.poll_ms,
        metrics=context.metrics,
    )
    mails = Lane(
        "email",
        routes,
        screened(store, mailer.deliver),
        Budget(
            max_attempts=config.email_max_attempts,
            first_ms=config.email_backoff_first_ms,
            most_ms=config.email_backoff_most_ms,
        ),
        workers=_EMAIL_WORKERS,
        batch=_EMAIL_BATCH,
        poll_ms=config.poll_ms,
        metrics=context.metrics,
    )
    ledger = Ledger(store, known, admins=config.admin_emails, lease_ms=config.lease_ms)
    intake = Intake(known, ledger, pusher, pushes=pushes, mails=mails, metrics=context.metrics)
    _consume(context, redis, intake, user_states.UserStates(store))
    _work(context, pushes, mails)
    housekeeping = Housekeeping(
        store,
        context.metrics,
        retention_ms=config.retention_ms,
        interval_ms=config.prune_interval_ms,
    )
    context.task(housekeeping.run(), name="housekeeping")
    lanes: dict[Channel, Lane] = {"push": pushes, "email": mails}
    handlers = Handlers(store, DeadLetters(store), lambda channel: lanes[channel].wake())
    context.serve_operations("http", handlers.routes())


def _publisher(config: Config, redis: Redis, stream: str, max_length: int) -> Publisher:
    return Publisher(redis, stream, max_length=max_length, remember_ms=config.deduplication_ms)


async def _users(context: Context[Config]) -> Users:
    """The user service. Its state is logged and measured, but no part of readiness: without it pushes go on."""
    config = context.config
    gauge = context.metrics.gauge(
        "notification_user_up", "Whether the user service answered when it was last asked", ("dependency",)
    )
    timeout = config.user_timeout_ms / 1000
    client = await context.enter(
        HttpClient(
            config.user_url,
            connect_timeout=timeout,
            timeout=timeout,
            max_connections=_EMAIL_BATCH * _EMAIL_WORKERS,
        )
    )
    return Users(client, Dependency("user", _never_asked, gauge))


async def _never_asked() -> None:
    return None


def _consume(context: Context[Config], redis: Redis, intake: Intake, states: user_states.UserStates) -> None:
    """Read both streams until the drain, whose first part ends when what was taken is handled."""
    config = context.config
    name = config.instance_id or f"notification-{os.urandom(8).hex()}"
    consumers = (
        Consumer(
            redis,
            stream=user_states.STREAM,
            group=GROUP,
            consumer=name,
            handler=states.handle,
            rejected=user_states.REJECTED,
            start="0",
            claim_idle_ms=config.claim_idle_ms,
        ),
        Consumer(
            redis,
            stream=intents.STREAM,
            group=GROUP,
            consumer=name,
            batch_handler=intake.handle,
            rejected=intents.REJECTED,
            start="0",
            batch=config.batch_size,
            claim_idle_ms=config.claim_idle_ms,
        ),
    )
    for consumer in consumers:
        context.task(consumer.run(), name=consumer.stream)
        context.on_drain(_within(consumer.drain))


def _work(context: Context[Config], *lanes: Lane) -> None:
    """Attempt routes until the drain, whose last part ends when those that were claimed are recorded."""
    for lane in lanes:
        context.task(lane.run(), name=lane.channel)
        context.on_drain(_within(lane.drain), last=True)


def _within(drain: Drain) -> Drain:
    """A drain that ends a moment before the budget does."""
    return lambda seconds: drain(max(seconds - _DRAIN_MARGIN_S, 0))


SERVICE: Final = Service(
    name="notification",
    prefix=PREFIX,
    config=Config,
    listeners=(Listener("http", "127.0.0.1:8110"), Listener("admin", "127.0.0.1:8111")),
    start=start,
    description="Tells people what happened, by push and e-mail.",
    database=database,
)
