"""What both gRPC methods do around their work: name the call, turn a rejection into status and trailers, count."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from servicekit import logs, tracing
from servicekit.metrics import Registry

from gateway.client_address import TrustedProxies, grpc_peer_address
from gateway.envelope import Envelope
from gateway.rejection import Rejection

log = logs.get("gateway.call")

Context = grpc.aio.ServicerContext[Any, Any]

ERROR_CODE_TRAILER: Final = "x-error-code"
REQUEST_ID_TRAILER: Final = "x-request-id"
RETRY_AFTER_TRAILER: Final = "retry-after"
ABORT_PATIENCE_S: Final = 1.0
"""How long a call waits until its status is written. A client that does not read gets it when it reads; waiting for
that would keep the call's memory, and a shutdown, for as long as the client likes."""


class CallMetrics:
    """Calls by operation and outcome."""

    def __init__(self, registry: Registry) -> None:
        self.calls = registry.counter(
            "gateway_calls_total",
            "gRPC calls ended, by outcome: ok, cancelled or the error code",
            ("operation", "code"),
        )
        self.streams = registry.gauge("gateway_streams_open", "Push streams that are open")
        self.duration = registry.histogram(
            "gateway_call_duration_seconds",
            "Time of commands, and of admitting subscriptions",
            ("operation",),
        )


class Call:
    """One call in progress."""

    def __init__(
        self, operation: str, context: Context, metrics: CallMetrics, proxies: TrustedProxies
    ) -> None:
        self.operation = operation
        self.context = context
        self.request_id = new_id()
        """The envelope's id once it is known, before that one of our own."""
        metadata = context.invocation_metadata() or ()
        self.traceparent = next((_text(value) for name, value in metadata if name == "traceparent"), None)
        tracing.begin(tracing.trace_id(self.traceparent))
        forwarded_for = [_text(value) for name, value in metadata if name == "x-forwarded-for"]
        self.address = proxies.client(grpc_peer_address(context.peer()), forwarded_for)
        self._metrics = metrics
        self._started = time.perf_counter()

    def identify(self, envelope: Envelope) -> None:
        """The envelope is known: the call bears its request id and, where the metadata name no trace, works for its trace."""
        self.request_id = envelope.request_id
        if tracing.current() is None:
            tracing.begin(envelope.trace_id)

    def observe(self) -> None:
        """Records the time until now."""
        self._metrics.duration.observe(time.perf_counter() - self._started, self.operation)

    async def run(self, work: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        """What `work` gives; a Rejection becomes the call's status, any other exception INTERNAL `internal_error`."""
        code = "cancelled"
        try:
            result = await work()
        except Rejection as rejection:
            code = rejection.code
            self.request_id = rejection.request_id or self.request_id
            await self._abort(rejection.status, code, rejection.message, rejection.retry_after_s)
            return None
        except Exception:
            code = "internal_error"
            log.exception("call_failed", operation=self.operation, request_id=self.request_id)
            await self._abort(
                grpc.StatusCode.INTERNAL, code, "an internal error; its request id finds it in the log"
            )
            return None
        else:
            code = "ok"
            return result
        finally:
            self._metrics.calls.inc(self.operation, code)
            log.debug("grpc_call", operation=self.operation, outcome=code, request_id=self.request_id)

    async def _abort(
        self, status: grpc.StatusCode, code: str, message: str, retry_after_s: int | None = None
    ) -> None:
        trailers = [(ERROR_CODE_TRAILER, code), (REQUEST_ID_TRAILER, self.request_id)]
        if retry_after_s is not None:
            trailers.append((RETRY_AFTER_TRAILER, str(retry_after_s)))
        try:
            async with asyncio.timeout(ABORT_PATIENCE_S):
                await self.context.abort(status, message, tuple(trailers))
        except TimeoutError:
            log.debug(
                "status_not_read", operation=self.operation, request_id=self.request_id, error_code=code
            )


def new_id() -> str:
    """128 random bits in hexadecimal."""
    return os.urandom(16).hex()


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
