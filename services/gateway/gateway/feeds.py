"""What comes from Redis to open streams: a consumer group per instance on each stream, from boot to shutdown."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from servicekit import logs
from servicekit.metrics import Registry
from servicekit.redis import Redis, RedisError
from servicekit.streams import Consumer, Entry, Handler, Reject, remove_idle_groups

from gateway.events import MalformedEntry, encode_event, parse_client_event
from gateway.push import Hub
from gateway.signing import Signer

log = logs.get("gateway.feeds")

CLIENT_EVENTS: Final = "gateway:client-events"
CLIENT_EVENTS_REJECTED: Final = "gateway:client-events:rejected"
SESSION_EVENTS: Final = "gateway:session-events"

GROUP_PREFIX: Final = "gateway-"
ABANDONED_MS: Final = 3_600_000
"""A group that nobody has read for so long was left by an instance that died."""
SWEEP_EVERY_S: Final = 600.0
BLOCK_MS: Final = 1000
"""How long one read waits for entries: a connection that died silently is found out within this and a second more."""
ATTACH_RETRY_S: Final = 0.1


class ClientEvents:
    """Hands entries of `gateway:client-events` to the streams they are for."""

    def __init__(self, hub: Hub, signer: Signer, registry: Registry) -> None:
        self._hub = hub
        self._signer = signer
        self._delivered = registry.counter(
            "gateway_events_delivered_total", "Events put into a stream's queue"
        )

    async def handle(self, entry: Entry) -> None:
        """Handles one entry. Raises Reject for a malformed one."""
        try:
            event = parse_client_event(entry.fields)
        except MalformedEntry as error:
            raise Reject(str(error)) from None
        streams = self._hub.subscribers(event.user_id, event.device_session_id)
        if not streams:
            return
        encoded = encode_event(
            self._signer,
            event_id=event.event_id,
            event_type=event.event_type,
            timestamp_ms=event.occurred_at_ms,
            payload=event.payload,
            trace_id=event.trace_id,
        )
        for stream in streams:
            stream.put(encoded)
        self._delivered.inc(by=len(streams))


class Feeds(AbstractAsyncContextManager["Feeds"]):
    """The consumer groups of this instance; as a context, they are removed at its end.

    `on_lost` is called when Redis has lost the group on `gateway:session-events`, and with it maybe the sessions.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        instance_id: str,
        client_events: Handler,
        session_events: Handler,
        on_lost: Callable[[], None],
    ) -> None:
        self._redis = redis
        self._group = GROUP_PREFIX + instance_id
        self._consumers = (
            self._consumer(CLIENT_EVENTS, client_events, CLIENT_EVENTS_REJECTED, None),
            self._consumer(SESSION_EVENTS, session_events, None, on_lost),
        )
        self.attached = False
        """Whether the groups exist: before that, an event would pass a new stream by."""

    def _consumer(
        self, stream: str, handler: Handler, rejected: str | None, on_lost: Callable[[], None] | None
    ) -> Consumer:
        return Consumer(
            self._redis,
            stream=stream,
            group=self._group,
            consumer=self._group,
            handler=handler,
            rejected=rejected,
            block_ms=BLOCK_MS,
            on_lost=on_lost,
        )

    async def __aexit__(self, *_: object) -> None:
        for consumer in self._consumers:
            try:
                await consumer.destroy()
            except RedisError:
                # The group stays behind; the next instance's sweep removes it.
                log.debug("group_left_behind", stream=consumer.stream, group=self._group)

    async def attach(self) -> None:
        """Makes the groups. Raises RedisError."""
        for consumer in self._consumers:
            await consumer.prepare()
        self.attached = True

    async def run(self) -> None:
        """Makes the groups as soon as Redis answers, then reads both streams until cancelled."""
        while not self.attached:
            try:
                await self.attach()
            except RedisError:
                await asyncio.sleep(ATTACH_RETRY_S)
        async with asyncio.TaskGroup() as readers:
            for consumer in self._consumers:
                readers.create_task(consumer.run(), name=consumer.stream)

    async def sweep(self) -> None:
        """Removes the groups that dead instances left, now and every SWEEP_EVERY_S; until cancelled."""
        while True:
            for consumer in self._consumers:
                try:
                    removed = await remove_idle_groups(
                        self._redis,
                        consumer.stream,
                        prefix=GROUP_PREFIX,
                        keep=self._group,
                        idle_ms=ABANDONED_MS,
                    )
                except RedisError:
                    continue
                if removed:
                    log.info("abandoned_groups_removed", stream=consumer.stream, groups=removed)
            await asyncio.sleep(SWEEP_EVERY_S)
