"""The gateway's gRPC side in the test's process."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import grpc
from servicekit.client import HttpClient
from servicekit.health import Health
from servicekit.metrics import Registry
from servicekit.parsers import Limit
from servicekit.redis import Redis
from servicekit.testing.valkey import Valkey

from gateway.admission import Admission
from gateway.call import CallMetrics
from gateway.client_address import TrustedProxies
from gateway.clock import unix_ms
from gateway.commands import Commands
from gateway.downstream import MAX_RESPONSE_BYTES, Downstream
from gateway.edge_gateway import SERVICE_NAME, method_handlers, server_options
from gateway.feeds import CLIENT_EVENTS, SESSION_EVENTS, ClientEvents, Feeds
from gateway.gatekeeper import Budgets, Gatekeeper
from gateway.push import Hub
from gateway.revocation import Revocation, StoreWatch
from gateway.routing import Routes
from gateway.sessions import KEY_PREFIX, SessionStore
from gateway.signing import Signer
from gateway.subscriptions import MESSAGE_TYPE, Subscriptions
from gateway.testing.device import Device, encode
from gateway.testing.http_server import HttpServer
from gateway.wire.gateway.v1.edge_gateway_pb2 import SubscribeEventsResponse


@dataclass(kw_only=True)
class Edge:
    """A gateway's gRPC side in this process, with what a test needs to look at and to change."""

    valkey: Valkey
    redis: Redis
    hub: Hub
    feeds: Feeds
    signer: Signer
    registry: Registry
    downstream: HttpServer
    server: grpc.aio.Server
    port: int
    channel: grpc.aio.Channel

    async def sign_in(self, device: Device, **changes: str | None) -> Device:
        """Writes the device's session into Redis, as authsession does."""
        flat = [part for pair in device.projection(**changes).items() for part in pair]
        key = KEY_PREFIX + device.device_session_id
        async with Redis(self.valkey.url) as store:
            _ = await store.transaction([("DEL", key), ("HSET", key, *flat)])
        return device

    async def revoke(self, device: Device, *, announced: bool = True) -> None:
        """Revokes the device's session; not announced: the event is lost."""
        revoked = device.projection(
            status="revoked", revoked_at_ms="1790000000001", revoke_reason="lost", version="2"
        )
        await self.sign_in(device, **revoked)
        if announced:
            flat: list[str | bytes] = [
                part for pair in ({"event": "session.revoked"} | revoked).items() for part in pair
            ]
            await self._add(SESSION_EVENTS, flat)

    async def publish(self, **fields: str | bytes) -> None:
        """Adds an entry to the stream of client events; by default a complete one for user-1."""
        entry: dict[str, str | bytes] = {
            "event_id": os.urandom(4).hex(),
            "event_type": "lobby.game.started",
            "user_id": "user-1",
            "payload": base64.b64encode(b"{}"),
            "occurred_at_ms": "1790000000000",
        }
        flat = [part for pair in (entry | fields).items() for part in pair]
        await self._add(CLIENT_EVENTS, flat)

    async def _add(self, stream: str, fields: list[str | bytes]) -> None:
        # A client of its own: the gateway's may still have to find out that its connection is gone.
        async with Redis(self.valkey.url) as store:
            await store.execute("XADD", stream, "*", *fields)

    async def execute(self, raw: bytes, metadata: tuple[tuple[str, str], ...] = ()) -> bytes:
        """One command; raises grpc.aio.AioRpcError."""
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            f"/{SERVICE_NAME}/ExecuteCommand"
        )
        return await method(raw, metadata=metadata)

    def subscribe(self, device: Device, channel: grpc.aio.Channel | None = None, **changes: Any) -> "Stream":
        """Opens a stream."""
        raw = encode(device.envelope(**({"message_type": MESSAGE_TYPE, "payload": b""} | changes)))
        return self.subscribe_raw(raw, channel)

    def subscribe_raw(self, raw: bytes, channel: grpc.aio.Channel | None = None) -> "Stream":
        """Opens a stream with any bytes."""
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = (channel or self.channel).unary_stream(
            f"/{SERVICE_NAME}/SubscribeEvents"
        )
        return Stream(method(raw))


class Stream:
    """A client's end of a push stream."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def next(self) -> SubscribeEventsResponse:
        """The next event; raises grpc.aio.AioRpcError at the stream's end."""
        raw = await self.call.read()
        if raw is grpc.aio.EOF:
            await self.call.initial_metadata()
            raise AssertionError(f"the stream ended with {await self.call.code()}")
        return SubscribeEventsResponse.FromString(raw)

    async def opened(self) -> Self:
        """Returns after the first event, which says that events will come from now on."""
        if (event := await self.next()).event_type != "gateway.server_time":
            raise AssertionError(f"the first event is {event.event_type}")
        return self

    async def end(self) -> str:
        """The code that the stream ends with, events before it skipped."""
        try:
            while True:
                await self.next()
        except grpc.aio.AioRpcError as error:
            return code_of(error)


def code_of(error: grpc.aio.AioRpcError) -> str:
    """The `x-error-code` of a failed call."""
    return str(dict(error.trailing_metadata())["x-error-code"])


WIDE = Limit(1_000_000, 1)


@asynccontextmanager
async def running_edge(
    valkey: Valkey,
    *,
    budgets: Budgets | None = None,
    clock_ms: Callable[[], int] = unix_ms,
    redis_timeout: float = 5.0,
    downstream_timeout: float = 5.0,
    buffered_events: int = 256,
    proxies: TrustedProxies | None = None,
    instance_id: str = "test",
    attached: bool = True,
) -> AsyncIterator[Edge]:
    """A gateway's gRPC side, wired as the service does it."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis(valkey.url, timeout=redis_timeout))
        downstream = await stack.enter_async_context(HttpServer())
        registry = Registry()
        sessions, hub, signer = SessionStore(redis), Hub(buffered_events), Signer(bytes(32))
        revocation = Revocation(sessions, hub)
        redis.watch(StoreWatch(Health(registry).dependency("redis", redis.ping), revocation))
        feeds = await stack.enter_async_context(
            Feeds(
                redis,
                instance_id=instance_id,
                client_events=ClientEvents(hub, signer, registry).handle,
                session_events=revocation.on_session_event,
                on_lost=revocation.recheck,
            )
        )
        gatekeeper = Gatekeeper(
            sessions=sessions,
            admission=Admission(redis, 300_000),
            budgets=budgets or Budgets(ip=WIDE, session=WIDE, user=WIDE, message_type=WIDE),
            freshness_window_ms=300_000,
            clock_ms=clock_ms,
        )
        client = await stack.enter_async_context(
            HttpClient(downstream.url, timeout=downstream_timeout, max_response=MAX_RESPONSE_BYTES)
        )
        metrics, trusted = CallMetrics(registry), proxies or TrustedProxies()
        commands = Commands(
            gatekeeper=gatekeeper,
            downstream=Downstream(Routes({"lobby.": downstream.url}), {downstream.url: client}),
            signer=signer,
            metrics=metrics,
            proxies=trusted,
            clock_ms=clock_ms,
        )
        subscriptions = Subscriptions(
            gatekeeper=gatekeeper,
            sessions=sessions,
            hub=hub,
            feeds=feeds,
            signer=signer,
            metrics=metrics,
            proxies=trusted,
            clock_ms=clock_ms,
        )
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), *server_options(1000, 500)])
        server.add_generic_rpc_handlers((method_handlers(commands, subscriptions),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, 0)
        work = [revocation.run()]
        if attached:
            await feeds.attach()
            work.append(feeds.run())
        tasks = [asyncio.create_task(each) for each in work]
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        try:
            yield Edge(
                valkey=valkey,
                redis=redis,
                hub=hub,
                feeds=feeds,
                signer=signer,
                registry=registry,
                downstream=downstream,
                server=server,
                port=port,
                channel=channel,
            )
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
