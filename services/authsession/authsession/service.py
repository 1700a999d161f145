"""The service's parts, put together."""

from pathlib import Path
from typing import Final

from servicekit.app import Context, Service
from servicekit.client import HttpClient
from servicekit.health import Dependency
from servicekit.listeners import Listener
from servicekit.redis import Redis

from authsession import challenges, delivery, sessions
from authsession.blocks import Blocks
from authsession.config import PREFIX, Config
from authsession.handlers import Handlers
from authsession.mail import Mail, RestMail, StubMail
from authsession.sealing import Sealer
from authsession.signin import SignIn
from authsession.users import RestUsers, StubUsers, Users

_DRAIN_MARGIN_S: Final = 0.2
"""Kept of the stop budget for giving up what is left, in order and with a log line."""


async def start(context: Context[Config]) -> None:
    """Starts the service. Redis need not be there yet: what needs it answers 503 meanwhile."""
    config = context.config
    timeout = config.redis_timeout_ms / 1000
    redis = await context.enter(
        Redis(config.redis_url, timeout=timeout, connect_timeout=timeout, name="authsession")
    )
    redis.watch(context.health.dependency("redis", redis.ping))
    sealer = Sealer(config.code_pepper)
    known_sessions = sessions.Sessions(
        redis,
        sessions.Rules(
            max_per_user=config.max_sessions_per_user,
            revoked_retention_ms=config.revoked_retention_ms,
            max_events=config.session_events_max_length,
        ),
    )
    deliveries = await context.enter(_deliveries(context, await _mail(context)))
    context.on_drain(lambda seconds: deliveries.drain(max(seconds - _DRAIN_MARGIN_S, 0)))
    handlers = Handlers(
        sign_in=SignIn(
            challenges=challenges.Challenges(
                redis,
                sealer,
                challenges.Rules(
                    code_ttl_ms=config.code_ttl_ms,
                    send_interval_ms=config.send_interval_ms,
                    max_tries=config.max_tries,
                    retention_ms=config.challenge_retention_ms,
                ),
            ),
            sessions=known_sessions,
            users=await _users(context),
            deliveries=deliveries,
        ),
        sessions=known_sessions,
        blocks=Blocks(
            redis,
            sealer,
            revoked_retention_ms=config.revoked_retention_ms,
            max_events=config.session_events_max_length,
        ),
        locales=config.locales,
    )
    context.serve_operations("http", handlers.routes())


def _adapter(context: Context[Config], name: str) -> Dependency:
    """The state of an adapter's service: logged and measured, but no part of readiness.

    Without the user or the mail service an instance still serves everything but sign-in; without an instance that is
    ready, sessions could not even be revoked.
    """
    gauge = context.metrics.gauge(
        f"authsession_{name}_up",
        f"Whether the {name} service answered when it was last asked",
        ("dependency",),
    )
    return Dependency(name, _never_asked, gauge)


async def _never_asked() -> None:
    return None


async def _users(context: Context[Config]) -> Users:
    config = context.config
    if config.user_url is None or config.user_adapter == "stub":
        return StubUsers()
    timeout = config.user_timeout_ms / 1000
    client = await context.enter(HttpClient(config.user_url, connect_timeout=timeout, timeout=timeout))
    return RestUsers(client, _adapter(context, "user"))


async def _mail(context: Context[Config]) -> Mail:
    config = context.config
    if config.mail_adapter == "stub" and config.mail_stub_file is not None:
        return StubMail(Path(config.mail_stub_file))
    if config.mail_url is None:
        raise ValueError("the configuration lets through a mail adapter without its place")
    timeout = config.mail_timeout_ms / 1000
    client = await context.enter(
        HttpClient(
            config.mail_url, connect_timeout=timeout, timeout=timeout, max_connections=config.mail_concurrency
        )
    )
    return RestMail(client)


def _deliveries(context: Context[Config], mail: Mail) -> delivery.Deliveries:
    config = context.config
    return delivery.Deliveries(
        mail,
        delivery.Rules(
            lifetime_s=config.code_ttl_ms / 1000,
            first_pause_s=config.mail_first_pause_ms / 1000,
            longest_pause_s=config.mail_longest_pause_ms / 1000,
            capacity=config.mail_queue_limit,
            concurrency=config.mail_concurrency,
        ),
        _adapter(context, "mail"),
        context.metrics,
    )


SERVICE: Final = Service(
    name="authsession",
    prefix=PREFIX,
    config=Config,
    listeners=(Listener("http", "127.0.0.1:8090"), Listener("admin", "127.0.0.1:8091")),
    start=start,
    description="Sign-in by e-mail code, and device sessions.",
)
