"""The gRPC server: its port, its health service, its drain."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from servicekit.grpc_server import GrpcServer
from servicekit.listeners import ListenError
from servicekit.parsers import Address

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_health_is_served_per_service_and_watchers_see_the_drain() -> None:
    async def go() -> None:
        server = GrpcServer(Address("127.0.0.1", 0), variable="X_GRPC_ADDR")
        address = await server.start("a.Service")
        assert address.port > 0
        async with grpc.aio.insecure_channel(str(address)) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            for name in ("", "a.Service"):
                reply = await stub.Check(health_pb2.HealthCheckRequest(service=name))
                assert reply.status == SERVING
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Check(health_pb2.HealthCheckRequest(service="b.Service"))
            assert caught.value.code() == grpc.StatusCode.NOT_FOUND
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=""))
            assert (await watch.read()).status == SERVING
            drain = asyncio.create_task(server.drain(0.5))
            assert (await watch.read()).status == NOT_SERVING
            watch.cancel()
            await drain

    asyncio.run(go())


def test_two_servers_never_share_a_port() -> None:
    async def go() -> None:
        first = GrpcServer(Address("127.0.0.1", 0), variable="X_GRPC_ADDR")
        address = await first.start()
        second = GrpcServer(address, variable="X_GRPC_ADDR")
        with pytest.raises(ListenError, match=f"X_GRPC_ADDR: {address} cannot be bound") as caught:
            await second.start()
        assert caught.value.status == 71
        await second.server.stop(None)
        await first.drain(0)

    asyncio.run(go())


def test_an_ipv6_address_is_bound() -> None:
    async def go() -> Address:
        server = GrpcServer(Address("::1", 0), variable="X_GRPC_ADDR")
        address = await server.start()
        await server.drain(0)
        return address

    address = asyncio.run(go())
    assert str(address).startswith("[::1]:")
