"""The gRPC service `gateway.v1.EdgeGateway`: its name and its two methods."""

from typing import Any, Final

import grpc

from gateway.commands import Commands
from gateway.subscriptions import Subscriptions

SERVICE_NAME: Final = "gateway.v1.EdgeGateway"
MIN_CLIENT_PING_MS: Final = 5000
"""Clients may ping as often as this to test the connection from their side; more is answered with GOAWAY."""


def method_handlers(commands: Commands, subscriptions: Subscriptions) -> grpc.GenericRpcHandler:
    """The service as gRPC takes it.

    There are no serializers: both methods take and give bytes, so that what cannot be decoded gets our code, not gRPC's.
    """
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "ExecuteCommand": grpc.unary_unary_rpc_method_handler(commands.execute),
        "SubscribeEvents": grpc.unary_stream_rpc_method_handler(subscriptions.subscribe),
    }
    return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)


def server_options(keepalive_time_ms: int, keepalive_timeout_ms: int) -> list[tuple[str, int]]:
    """How the server finds out that a client is dead although its connection was never closed.

    After `keepalive_time_ms` of silence the client is pinged; without an answer within `keepalive_timeout_ms` the
    connection is dropped, and its streams with it.
    """
    return [
        ("grpc.keepalive_time_ms", keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", keepalive_timeout_ms),
        # The timer of the ping itself, 60 s by default: a keepalive timeout below it has no effect alone.
        ("grpc.http2.ping_timeout_ms", keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", MIN_CLIENT_PING_MS),
    ]
