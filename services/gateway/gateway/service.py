"""The gateway's parts, put together."""

import os
from contextlib import suppress

from servicekit.app import Context, Service
from servicekit.client import HttpClient
from servicekit.grpc_server import GrpcServer
from servicekit.listeners import Listener
from servicekit.redis import Redis, RedisError

from gateway.admission import Admission
from gateway.call import CallMetrics
from gateway.client_address import TrustedProxies
from gateway.clock import unix_ms
from gateway.commands import Commands
from gateway.config import Config
from gateway.downstream import MAX_RESPONSE_BYTES, Downstream
from gateway.edge_gateway import SERVICE_NAME, method_handlers, server_options
from gateway.feeds import ClientEvents, Feeds
from gateway.gatekeeper import Budgets, Gatekeeper
from gateway.public_api import CONFIRM_EMAIL_CODE, LIST_SIGNING_KEYS, SEND_EMAIL_CODE
from gateway.public_http import PublicHttp, PublicLimits
from gateway.push import Hub
from gateway.relay import Relay
from gateway.revocation import Revocation, StoreWatch
from gateway.routing import Routes
from gateway.sessions import SessionStore
from gateway.signing import Signer
from gateway.subscriptions import Subscriptions

DRAIN_SHARE = 0.8
"""The share of the stop budget that calls in progress get; the rest is for what comes after them."""


async def start(context: Context[Config]) -> None:
    """Builds and starts everything; what it starts is ended by `context`, in reverse."""
    config = context.config
    signer = Signer(config.signing_key)
    proxies = TrustedProxies(config.trusted_proxies or ())
    redis = await context.enter(
        Redis(
            config.redis_url,
            timeout=config.redis_timeout_ms / 1000,
            connect_timeout=config.redis_timeout_ms / 1000,
            name="gateway",
        )
    )
    sessions = SessionStore(redis)
    hub = Hub(config.stream_buffer_events)
    revocation = Revocation(sessions, hub)
    redis.watch(StoreWatch(context.health.dependency("redis", redis.ping), revocation))
    feeds = await context.enter(
        Feeds(
            redis,
            instance_id=config.instance_id or os.urandom(8).hex(),
            client_events=ClientEvents(hub, signer, context.metrics).handle,
            session_events=revocation.on_session_event,
            on_lost=revocation.recheck,
        )
    )
    # Without Redis the watcher says it, what needs Redis is refused until it is there, and the feeds go on trying.
    with suppress(RedisError):
        await feeds.attach()
    _serve_http(context, redis, signer, proxies, await _relay(context))
    gatekeeper = Gatekeeper(
        sessions=sessions,
        admission=Admission(redis, config.freshness_window_ms),
        budgets=Budgets(
            ip=config.limit_command_ip,
            session=config.limit_command_session,
            user=config.limit_command_user,
            message_type=config.limit_command_message_type,
        ),
        freshness_window_ms=config.freshness_window_ms,
        clock_ms=unix_ms,
    )
    metrics = CallMetrics(context.metrics)
    commands = Commands(
        gatekeeper=gatekeeper,
        downstream=await _downstream(context),
        signer=signer,
        metrics=metrics,
        proxies=proxies,
        clock_ms=unix_ms,
    )
    subscriptions = Subscriptions(
        gatekeeper=gatekeeper,
        sessions=sessions,
        hub=hub,
        feeds=feeds,
        signer=signer,
        metrics=metrics,
        proxies=proxies,
        clock_ms=unix_ms,
    )
    await _serve_grpc(context, hub, commands, subscriptions)
    context.task(feeds.run(), name="feeds")
    context.task(feeds.sweep(), name="sweep")
    context.task(revocation.run(), name="revocation")


async def _relay(context: Context[Config]) -> Relay | None:
    config = context.config
    if config.authsession_url is None:
        return None
    client = await context.enter(
        HttpClient(config.authsession_url, timeout=config.authsession_timeout_ms / 1000)
    )

    async def reach() -> None:
        # Any answer in HTTP will do: this is the public listener, without a path for health.
        await client.request("GET", "/", idempotent=True)

    return Relay(client, context.health.dependency("authsession", reach))


async def _downstream(context: Context[Config]) -> Downstream:
    routes = Routes(context.config.routes or {})
    clients = {
        url: await context.enter(
            HttpClient(
                url, timeout=context.config.downstream_timeout_ms / 1000, max_response=MAX_RESPONSE_BYTES
            )
        )
        for url in {route.base_url for route in routes}
    }
    return Downstream(routes, clients)


def _serve_http(
    context: Context[Config], redis: Redis, signer: Signer, proxies: TrustedProxies, relay: Relay | None
) -> None:
    config = context.config
    public = PublicHttp(
        redis=redis,
        relay=relay,
        signer=signer,
        limits=PublicLimits(
            send_code_ip=config.limit_send_code_ip,
            send_code_email=config.limit_send_code_email,
            confirm_code_ip=config.limit_confirm_code_ip,
            confirm_code_challenge=config.limit_confirm_code_challenge,
            signing_keys_ip=config.limit_signing_keys_ip,
        ),
        proxies=proxies,
    )
    context.serve_operations(
        "http",
        [
            (SEND_EMAIL_CODE, public.send_email_code),
            (CONFIRM_EMAIL_CODE, public.confirm_email_code),
            (LIST_SIGNING_KEYS, public.list_signing_keys),
        ],
    )


async def _serve_grpc(
    context: Context[Config], hub: Hub, commands: Commands, subscriptions: Subscriptions
) -> None:
    config = context.config
    server = GrpcServer(
        context.address("grpc"),
        variable="GATEWAY_GRPC_ADDR",
        options=server_options(config.keepalive_time_ms, config.keepalive_timeout_ms),
    )
    server.server.add_generic_rpc_handlers((method_handlers(commands, subscriptions),))
    context.bound("grpc", await server.start(SERVICE_NAME))

    async def drain(seconds: float) -> None:
        hub.close("shutting_down")
        await server.drain(seconds * DRAIN_SHARE)

    context.on_drain(drain)


SERVICE = Service(
    name="gateway",
    prefix="GATEWAY",
    config=Config,
    listeners=(
        Listener("http", "127.0.0.1:8080"),
        Listener("grpc", "127.0.0.1:9090", passed=False),
        Listener("admin", "127.0.0.1:8081"),
    ),
    start=start,
    description="The game platform's edge: signed gRPC commands and events, relayed public sign-in.",
)
