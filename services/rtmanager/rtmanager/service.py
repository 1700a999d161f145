"""The service's parts, put together."""

import os
from importlib import resources
from typing import Final

from servicekit import inbox
from servicekit.app import Context, Service
from servicekit.listeners import Listener
from servicekit.outbox import Relay
from servicekit.postgres import Database
from servicekit.redis import Redis
from servicekit.streams import Consumer

from rtmanager import jobs
from rtmanager.config import PREFIX, Config
from rtmanager.containers import Limits
from rtmanager.daemon import Docker
from rtmanager.dispatcher import Dispatcher
from rtmanager.handlers import Handlers
from rtmanager.journal import Kind
from rtmanager.launching import Launcher, Rules
from rtmanager.leases import Leases
from rtmanager.messages import Messages
from rtmanager.observer import Observer
from rtmanager.runner import Runner
from rtmanager.statedir import StateRoot
from rtmanager.watching import Events, Keeper, Prober, ProbeRules, Times

_DRAIN_MARGIN_S: Final = 0.3
"""Kept of the stop budget for giving leases back and for the outbox."""


def database(config: Config) -> Database:
    """Make the service's database."""
    return Database(
        config.postgres_dsn,
        migrations=resources.files("rtmanager") / "migrations",
        name="rtmanager",
        timeout=config.postgres_timeout_ms / 1000,
        # One for each operation and look that may be in a transaction at the same time, and for callers.
        max_connections=16,
    )


async def start(context: Context[Config]) -> None:
    """Start the service. Nothing outside need be there yet: what needs it answers 503 meanwhile."""
    await assemble(context)


async def assemble(context: Context[Config]) -> Observer:
    """Put the parts together and set them going; give the one that compares records with Docker."""
    config = context.config
    timeout = config.redis_timeout_ms / 1000
    stores = database(config)
    stores.watch(context.health.dependency("postgres", stores.ping))
    await context.enter(stores)
    redis = await context.enter(
        Redis(config.redis_url, timeout=timeout, connect_timeout=timeout, name="rtmanager")
    )
    redis.watch(context.health.dependency("redis", redis.ping))
    docker = Docker(
        config.docker_host,
        timeout=config.docker_timeout_ms / 1000,
        deployment=config.deployment,
        network=config.network,
    )
    docker.watch(context.health.dependency("docker", docker.ping))
    messages = Messages(context.metrics)
    observer = Observer(docker, stores, messages)
    life = os.urandom(8).hex()
    instance = config.instance_id or life
    dispatcher = Dispatcher(
        database=stores,
        leases=Leases(
            redis,
            stores,
            instance=instance,
            life=life,
            seconds=config.lease_ms / 1000,
            metrics=context.metrics,
        ),
        runner=Runner(
            docker=docker,
            database=stores,
            launcher=Launcher(docker, StateRoot(config.state_root), _rules(config)),
            observer=observer,
            messages=messages,
            metrics=context.metrics,
            grace_s=-(-config.grace_ms // 1000),
            start_patience_ms=config.start_patience_ms,
        ),
        metrics=context.metrics,
        concurrency=config.concurrency,
        interval_s=config.resume_interval_ms / 1000,
    )
    relay = Relay(stores, redis, service="rtmanager", metrics=context.metrics)
    context.task(relay.run(), name="outbox")
    context.task(inbox.keep_pruned(stores), name="inbox")
    kinds: tuple[tuple[Kind, str], ...] = (("start", jobs.START_JOBS), ("stop", jobs.STOP_JOBS))
    for kind, stream in kinds:
        consumer = Consumer(
            redis,
            stream=stream,
            group=jobs.GROUP,
            consumer=instance,
            handler=jobs.Intake(stores, kind, stream, dispatcher.wake),
            rejected=f"{stream}:rejected",
            start="0",
            block_ms=config.block_ms,
            claim_idle_ms=config.claim_idle_ms,
        )
        context.task(consumer.run(), name=stream)
    context.task(dispatcher.run(), name="dispatcher")
    _watch(context, docker, stores, observer, dispatcher, messages)

    async def drain(seconds: float) -> None:
        await dispatcher.drain(max(seconds - _DRAIN_MARGIN_S, 0))
        await observer.close()
        docker.close()

    context.on_drain(drain)
    context.on_drain(relay.drain, last=True)
    handlers = Handlers(database=stores, dispatcher=dispatcher)
    context.serve_operations("http", handlers.routes())
    return observer


def _watch(
    context: Context[Config],
    docker: Docker,
    stores: Database,
    observer: Observer,
    dispatcher: Dispatcher,
    messages: Messages,
) -> None:
    config = context.config
    keeper = Keeper(
        database=stores,
        observer=observer,
        dispatcher=dispatcher,
        times=Times(
            reconcile_s=config.reconcile_interval_ms / 1000,
            inspect_s=config.inspect_interval_ms / 1000,
            retention_ms=config.stopped_retention_ms,
        ),
    )
    prober = Prober(
        docker=docker,
        database=stores,
        observer=observer,
        messages=messages,
        rules=ProbeRules(
            interval_s=config.probe_interval_ms / 1000,
            timeout_s=config.probe_timeout_ms / 1000,
            failures=config.probe_failures,
            successes=config.probe_successes,
        ),
    )
    context.task(Events(docker, observer).run(), name="docker-events")
    context.task(keeper.reconcile(), name="reconcile")
    context.task(keeper.inspect(), name="inspect")
    context.task(prober.run(), name="probes")


def _rules(config: Config) -> Rules:
    return Rules(
        deployment=config.deployment,
        network=config.network,
        state_mount=config.state_mount,
        labels=dict(config.container_labels or {}),
        pull_policy=config.pull_policy,
        pull_timeout_s=config.pull_timeout_ms / 1000,
        start_timeout_s=config.start_timeout_ms / 1000,
        defaults=Limits(config.default_cpus, config.default_memory, config.default_pids),
    )


SERVICE: Final = Service(
    name="rtmanager",
    prefix=PREFIX,
    config=Config,
    listeners=(Listener("http", "127.0.0.1:8120"), Listener("admin", "127.0.0.1:8121")),
    start=start,
    database=database,
    description="Runs the engines of games in Docker containers.",
)
