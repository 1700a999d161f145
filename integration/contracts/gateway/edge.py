"""The gateway's gRPC contract on one connection: raw requests out, verified answers or documented rejections back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol, cast

import grpc
from google.protobuf.message import DecodeError

from contracts import yamlfile
from contracts.coverage import Cell, exercised
from contracts.errors import ContractError
from contracts.gateway.signing import GatewayKeys
from contracts.paths import GATEWAY_API
from contracts.wire.gateway.v1 import edge_gateway_pb2 as wire
from seatrial.timeline import exchanges, tracecontext
from seatrial.timeline.exchanges import Exchange

Metadata = tuple[tuple[str, str], ...]

CONTRACT: Final = "gateway grpc"
EXECUTE: Final = "ExecuteCommand"
SUBSCRIBE: Final = "SubscribeEvents"
TIMEOUT: Final = 10.0
_CHANNEL_OPTIONS: Final = (
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own: closing it is seen by the gateway
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.http2.bdp_probe", 0),  # a window that does not grow: a subscriber who does not read is soon full
    ("grpc.max_receive_message_length", 1024 * 1024),
)


@cache
def documented() -> Mapping[str, frozenset[tuple[str, str, str]]]:
    """By method, each (stage, status, code) that api/grpc_errors.yaml lists."""
    document = yamlfile.load(GATEWAY_API / "grpc_errors.yaml")
    return {
        method: frozenset((row["stage"], row["status"], row["code"]) for row in rows)
        for method, rows in document["methods"].items()
    }


def cells() -> frozenset[Cell]:
    """Every documented outcome of every method."""
    return frozenset(
        Cell(CONTRACT, method, " ".join(outcome))
        for method, outcomes in documented().items()
        for outcome in (("OK",), *outcomes)
    )


class Rejected(Exception):
    """The gateway refused a call, or ended a stream, with a documented status and code."""

    def __init__(self, method: str, stage: str, status: str, code: str, trailers: Mapping[str, str]) -> None:
        self.method = method
        self.stage = stage
        self.status = status
        self.code = code
        self.request_id = trailers.get("x-request-id")
        retry_after = trailers.get("retry-after")
        self.retry_after = None if retry_after is None else int(retry_after)
        super().__init__(f"{method} was refused at {stage}: {status} {code}")


class TransportError(Exception):
    """A call failed below the contract: no connection, or what the gRPC library itself refuses. No code came with it."""

    def __init__(self, status: str, details: str) -> None:
        self.status = status
        super().__init__(f"{status}: {details}")


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for, as far as an answer to it must match."""

    method: str
    request_id: str


class _FailedCall(Protocol):
    def code(self) -> grpc.StatusCode: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None: ...


class EventCall(Protocol):
    """The part of a server stream that is used here; `next` reads."""

    def __next__(self) -> wire.SubscribeEventsResponse: ...
    def cancel(self) -> bool:
        """Leaves the stream."""


def rejection(call: Call, stage: str, error: grpc.RpcError, told: Exchange) -> Rejected | TransportError:
    """`error` as what it means, which ends what is `told`; raises ContractError when the contract does not document it."""
    failed = cast(_FailedCall, error)
    status = failed.code().name
    trailers = {key: value for key, value in failed.trailing_metadata() or () if isinstance(value, str)}
    code = trailers.get("x-error-code")
    facts = {"status": status, "error_code": code, "request_id": trailers.get("x-request-id")}
    if stage == "stream":
        told.told("stream_end", "" if code else failed.details() or "", **facts)
    else:
        told.answered("" if code else failed.details() or "", **facts)
    if code is None:
        return TransportError(status, failed.details() or "")
    refused = Rejected(call.method, stage, status, code, trailers)
    if (stage, status, code) not in documented()[call.method]:
        raise ContractError(f"{refused}: not documented in grpc_errors.yaml")
    # An envelope that cannot be read has no id to give back.
    if not refused.request_id or (code != "malformed_envelope" and refused.request_id != call.request_id):
        raise ContractError(f"{refused}: x-request-id is {refused.request_id!r}, not {call.request_id!r}")
    if (code == "rate_limited") != (refused.retry_after is not None) or refused.retry_after == 0:
        raise ContractError(f"{refused}: retry-after is {trailers.get('retry-after')!r}")
    exercised(Cell(CONTRACT, call.method, f"{stage} {status} {code}"))
    return refused


def _as_it_is(data: bytes) -> bytes:
    return data


class Edge:
    """One gRPC connection to one gateway. Safe to use from several threads."""

    def __init__(self, address: str, keys: GatewayKeys) -> None:
        self.keys = keys
        self.address = address
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._execute: grpc.UnaryUnaryMultiCallable[bytes, wire.ExecuteCommandResponse] = (
            self._channel.unary_unary(
                f"/gateway.v1.EdgeGateway/{EXECUTE}", _as_it_is, wire.ExecuteCommandResponse.FromString
            )
        )
        self._subscribe = self._channel.unary_stream(
            f"/gateway.v1.EdgeGateway/{SUBSCRIBE}", _as_it_is, wire.SubscribeEventsResponse.FromString
        )

    def execute(
        self, raw: bytes, request_id: str, *, metadata: Metadata = (), timeout: float = TIMEOUT
    ) -> wire.ExecuteCommandResponse:
        """Sends an encoded ExecuteCommandRequest and verifies what comes back.

        Raises Rejected, TransportError, and ContractError when the answer breaks the contract.
        """
        call = Call(EXECUTE, request_id)
        told = self.told(EXECUTE, raw, metadata)
        try:
            response = self._execute(raw, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise rejection(call, "admission", error, told) from None
        told.answered(status="OK", status_code=response.status_code, request_id=response.request_id)
        self.keys.verify_response(response)
        if (response.protocol_version, response.request_id) != ("v1", request_id):
            raise ContractError(
                f"an answer to {response.request_id!r} in {response.protocol_version!r}, not {call}"
            )
        if not 200 <= response.status_code <= 499:
            raise ContractError(f"status_code {response.status_code} is not within 200 to 499")
        exercised(Cell(CONTRACT, EXECUTE, "OK"))
        return response

    def told(self, method: str, raw: bytes, metadata: Metadata) -> Exchange:
        """Tells of a request that is about to be sent, with what can be read of it."""
        try:
            message = wire.ExecuteCommandRequest.FromString(raw)
        except DecodeError:
            message = wire.ExecuteCommandRequest()
        traced = tracecontext.trace_id_of(dict(metadata).get("traceparent"))
        return exchanges.request(
            "device",
            f"{method} {message.message_type}".rstrip(),
            to=self.address,
            request_id=message.request_id or None,
            trace_id=traced or message.trace_id or None,
        )

    def subscribe(self, raw: bytes, *, metadata: Metadata = ()) -> EventCall:
        """Sends an encoded SubscribeEventsRequest; nothing is read before the call is iterated."""
        return cast(EventCall, self._subscribe(raw, metadata=metadata))

    def read_subscription(self, raw: bytes, request_id: str) -> wire.SubscribeEventsResponse:
        """Subscribes, takes the first event and leaves; raises as `execute` does."""
        told = self.told(SUBSCRIBE, raw, ())
        call = self.subscribe(raw)
        try:
            event = next(call)
        except grpc.RpcError as error:
            raise rejection(Call(SUBSCRIBE, request_id), "admission", error, told) from None
        else:
            told.answered(event.event_type, status="OK")
            return event
        finally:
            call.cancel()

    def transport_status(self, raw: bytes) -> str:
        """The status of a command that gRPC itself refuses; raises as `execute` does when it gets further."""
        try:
            self.execute(raw, "")
        except TransportError as refused:
            return refused.status
        return "OK"

    def health(self, service: str = "") -> str:
        """The standard gRPC health service's answer for `service` (grpc.health.v1). Raises TransportError."""
        from grpc_health.v1 import health_pb2

        check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT)
        except grpc.RpcError as error:
            failed = cast(_FailedCall, error)
            raise TransportError(failed.code().name, failed.details() or "") from None
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def unknown_method(self) -> str:
        """The status of a call to a method that does not exist."""
        try:
            self._channel.unary_unary("/gateway.v1.EdgeGateway/NoSuchMethod", _as_it_is, _as_it_is)(
                b"", timeout=TIMEOUT
            )
        except grpc.RpcError as error:
            return cast(_FailedCall, error).code().name
        return "OK"

    def close(self) -> None:
        """Ends the connection and every call on it."""
        self._channel.close()
