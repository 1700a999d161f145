"""SubscribeEvents: the checks, then a stream that only ever ends with a reason."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.call import Call, CallMetrics, Context, new_id
from gateway.client_address import TrustedProxies
from gateway.envelope import parse_envelope
from gateway.events import encode_event
from gateway.feeds import Feeds
from gateway.gatekeeper import Gatekeeper
from gateway.push import Hub, Subscription
from gateway.rejection import Rejection
from gateway.sessions import SessionStore, store_unavailable
from gateway.signing import Signer
from gateway.wire.gateway.v1.edge_gateway_pb2 import SubscribeEventsRequest

MESSAGE_TYPE: Final = "gateway.subscribe"
SERVER_TIME: Final = "gateway.server_time"

END_MESSAGES: Final = {
    "session_revoked": "the session has been revoked",
    "slow_consumer": "events were not read fast enough; subscribe again and fetch what was missed",
    "shutting_down": "the gateway is shutting down; subscribe again",
}


class Subscriptions:
    """The streaming method."""

    def __init__(
        self,
        *,
        gatekeeper: Gatekeeper,
        sessions: SessionStore,
        hub: Hub,
        feeds: Feeds,
        signer: Signer,
        metrics: CallMetrics,
        proxies: TrustedProxies,
        clock_ms: Callable[[], int],
    ) -> None:
        self._gatekeeper = gatekeeper
        self._sessions = sessions
        self._hub = hub
        self._feeds = feeds
        self._signer = signer
        self._metrics = metrics
        self._proxies = proxies
        self._clock_ms = clock_ms

    async def subscribe(self, raw: bytes, context: Context) -> None:
        """Handles one call; `raw` is the undecoded request."""
        call = Call("SubscribeEvents", context, self._metrics, self._proxies)
        await call.run(lambda: self._subscribe(raw, call))

    async def _subscribe(self, raw: bytes, call: Call) -> None:
        try:
            subscription = await self._admit(raw, call)
        finally:
            call.observe()
        self._metrics.streams.inc()
        try:
            await self._stream(subscription, call.context)
        finally:
            self._hub.unregister(subscription)
            self._metrics.streams.inc(by=-1)

    async def _admit(self, raw: bytes, call: Call) -> Subscription:
        envelope = parse_envelope(raw, SubscribeEventsRequest)
        call.identify(envelope)
        session = await self._gatekeeper.admit(envelope, call.address)
        if envelope.message_type != MESSAGE_TYPE:
            raise Rejection("unknown_message_type", f"the message_type of a subscription is {MESSAGE_TYPE!r}")
        if not self._feeds.attached:
            # Redis answered the checks, but events do not reach this instance yet.
            raise store_unavailable()
        subscription = self._hub.register(session.user_id, session.device_session_id)
        # A revocation between the check above and the registration found no stream to end: look again, now that one
        # is there to be found.
        try:
            await self._sessions.active(session.device_session_id)
        except BaseException:
            self._hub.unregister(subscription)
            raise
        return subscription

    async def _stream(self, subscription: Subscription, context: Context) -> None:
        """Writes events until the subscription ends; then raises the Rejection that says why."""
        # Sent by itself: were it part of a first message that the client does not read, the status could not be sent.
        await context.send_initial_metadata(())
        writer = asyncio.create_task(self._write(subscription, context))
        try:
            await asyncio.wait((writer, subscription.ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        if not subscription.ended.done():
            # Only a failed write ends the writer: the client is gone, as gRPC is about to tell this call.
            raise asyncio.CancelledError
        code = subscription.ended.result()
        raise Rejection(code, END_MESSAGES[code])

    async def _write(self, subscription: Subscription, context: Context) -> None:
        await context.write(self._server_time())
        while True:
            # Each write is awaited until it is flow-controlled onto the connection: a client that stops reading stops
            # this loop, and its queue grows.
            await context.write(await subscription.next())

    def _server_time(self) -> bytes:
        now_ms = self._clock_ms()
        return encode_event(
            self._signer,
            event_id=new_id(),
            event_type=SERVER_TIME,
            timestamp_ms=now_ms,
            payload=msgspec.json.encode({"server_time_ms": now_ms}),
        )
