"""ExecuteCommand: the nine checks, the service's answer, the gateway's signature."""

import hashlib
from collections.abc import Callable

from gateway.call import Call, CallMetrics, Context
from gateway.client_address import TrustedProxies
from gateway.downstream import Downstream
from gateway.envelope import PROTOCOL_VERSION, parse_envelope
from gateway.gatekeeper import Gatekeeper
from gateway.signing import Signer, response_signing_input
from gateway.tracing import child_traceparent
from gateway.wire.gateway.v1.edge_gateway_pb2 import ExecuteCommandResponse


class Commands:
    """The unary method."""

    def __init__(
        self,
        *,
        gatekeeper: Gatekeeper,
        downstream: Downstream,
        signer: Signer,
        metrics: CallMetrics,
        proxies: TrustedProxies,
        clock_ms: Callable[[], int],
    ) -> None:
        self._gatekeeper = gatekeeper
        self._downstream = downstream
        self._signer = signer
        self._metrics = metrics
        self._proxies = proxies
        self._clock_ms = clock_ms

    async def execute(self, raw: bytes, context: Context) -> bytes | None:
        """Handles one call; `raw` is the undecoded request, the result the encoded response."""
        call = Call("ExecuteCommand", context, self._metrics, self._proxies)
        try:
            return await call.run(lambda: self._execute(raw, call))
        finally:
            call.observe()

    async def _execute(self, raw: bytes, call: Call) -> bytes:
        envelope = parse_envelope(raw)
        call.identify(envelope)
        session = await self._gatekeeper.admit(envelope, call.address)
        route = self._downstream.route(envelope.message_type)
        status, body = await self._downstream.execute(
            route,
            envelope.message_type,
            envelope.payload,
            {
                "x-user-id": session.user_id,
                "x-device-session-id": session.device_session_id,
                "x-request-id": envelope.request_id,
                "traceparent": child_traceparent(call.traceparent, envelope.trace_id),
            },
        )
        return self._respond(envelope.request_id, status, body)

    def _respond(self, request_id: str, status: int, body: bytes) -> bytes:
        timestamp_ms = self._clock_ms()
        payload_hash = hashlib.sha256(body).digest()
        signed = response_signing_input(
            protocol_version=PROTOCOL_VERSION,
            request_id=request_id,
            timestamp_ms=timestamp_ms,
            status_code=status,
            payload_hash=payload_hash,
        )
        return ExecuteCommandResponse(
            protocol_version=PROTOCOL_VERSION,
            request_id=request_id,
            timestamp_ms=timestamp_ms,
            status_code=status,
            payload_bytes=body,
            payload_hash=payload_hash,
            signature=self._signer.sign(signed),
        ).SerializeToString()
