"""A device that has signed in: what a game client does with its session."""

from typing import Any

from contracts.gateway.edge import Edge, Metadata, Rejected
from contracts.gateway.envelope import SUBSCRIBE_TYPE, Envelope
from contracts.gateway.signing import DeviceKey
from contracts.gateway.subscription import StalledSubscription, Subscription
from contracts.wire.gateway.v1 import edge_gateway_pb2 as wire
from seatrial.timeline.tracecontext import new_trace_id, traceparent

ECHO: str = "user.echo"


class Device:
    """A session and the key that signs for it, at one gateway. `at` is the same device at another gateway."""

    def __init__(self, edge: Edge, session_id: str, key: DeviceKey) -> None:
        self.edge = edge
        self.session_id = session_id
        self.key = key

    def at(self, edge: Edge) -> "Device":
        """This device on another connection."""
        return Device(edge, self.session_id, self.key)

    def envelope(self, message_type: str = ECHO, **fields: Any) -> Envelope:
        """A new, right envelope, with the given fields as they are."""
        return Envelope(**{"device_session_id": self.session_id, "message_type": message_type, **fields})

    def send(self, envelope: Envelope) -> wire.ExecuteCommandResponse:
        """Executes exactly `envelope`; raises Rejected."""
        return self.edge.execute(envelope.encoded(self.key), envelope.request_id, metadata=_trace(envelope))

    def execute(
        self, message_type: str = ECHO, payload: bytes = b"{}", **fields: Any
    ) -> wire.ExecuteCommandResponse:
        """Executes a command with a new request id; raises Rejected."""
        return self.send(self.envelope(message_type, payload_bytes=payload, **fields))

    def rejection(self, envelope: Envelope) -> str:
        """The code that `envelope` is refused with, "accepted" when it is not."""
        try:
            self.send(envelope)
        except Rejected as refused:
            return refused.code
        return "accepted"

    def expect_rejected(self, code: str, envelope: Envelope | None = None) -> Rejected:
        """Executes `envelope`, or a right one, which must be refused with `code`."""
        try:
            response = self.send(envelope or self.envelope())
        except Rejected as refused:
            if refused.code != code:
                raise AssertionError(f"expected {code}, got {refused}") from None
            return refused
        raise AssertionError(f"expected {code}, but the command was executed: {response.status_code}")

    def subscription(self, **fields: Any) -> Envelope:
        """A right envelope for `subscribe`, with the given fields as they are."""
        return self.envelope(**{"message_type": SUBSCRIBE_TYPE, "payload_bytes": b"", **fields})

    def subscribe(self, envelope: Envelope | None = None) -> Subscription:
        """The push stream: `with device.subscribe() as events`; raises Rejected when the block is entered."""
        envelope = envelope or self.subscription()
        return Subscription(self.edge, envelope.encoded(self.key), envelope.request_id, _trace(envelope))

    def subscribe_without_reading(self) -> StalledSubscription:
        """The push stream of a client that hangs."""
        envelope = self.subscription()
        return StalledSubscription(
            self.edge, envelope.encoded(self.key), envelope.request_id, _trace(envelope)
        )

    def subscription_rejection(self, envelope: Envelope) -> str:
        """The code that a subscription by `envelope` is refused with, "accepted" when it is not."""
        try:
            with self.subscribe(envelope):
                return "accepted"
        except Rejected as refused:
            return refused.code


def _trace(envelope: Envelope) -> Metadata:
    """A trace of its own for a call whose envelope names none."""
    return () if envelope.trace_id is not None else (("traceparent", traceparent(new_trace_id())),)
