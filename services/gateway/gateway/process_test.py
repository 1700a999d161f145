import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from servicekit.client import HttpClient, Reply
from servicekit.redis import Redis
from servicekit.testing.processes import Process, Processes
from servicekit.testing.valkey import Valkey

from gateway.sessions import KEY_PREFIX
from gateway.testing.device import Device, encode
from gateway.testing.edge import Stream, code_of

SEED = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    variables = {"GATEWAY_SIGNING_KEY": SEED, "GATEWAY_GRPC_ADDR": "127.0.0.1:0"}
    with Processes("gateway", tmp_path, variables) as processes:
        yield processes


async def get(process: Process, listener: str, path: str) -> Reply:
    async with HttpClient(process.url(listener), timeout=10) as client:
        return await client.request("GET", path)


async def test_it_serves_and_drains(valkey: Valkey, processes: Processes, device: Device) -> None:
    gateway = processes.start(GATEWAY_REDIS_URL=valkey.url, GATEWAY_LOG_LEVEL="DEBUG")
    async with Redis(valkey.url) as redis:
        flat = [part for pair in device.projection().items() for part in pair]
        await redis.execute("HSET", KEY_PREFIX + "session-1", *flat)
        keys = await get(gateway, "http", "/api/v1/public/signing-keys")
        assert (keys.status, json.loads(keys.body)["keys"][0]["key_id"]) == (200, "6a3803d5f059902a")
        assert (await get(gateway, "admin", "/readyz")).status == 200
        async with grpc.aio.insecure_channel(gateway.address("grpc")) as channel:
            check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                "/grpc.health.v1.Health/Check"
            )
            question = health_pb2.HealthCheckRequest(service="gateway.v1.EdgeGateway").SerializeToString()
            answer = health_pb2.HealthCheckResponse.FromString(await check(question))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
            method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                "/gateway.v1.EdgeGateway/ExecuteCommand"
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await method(encode(device.envelope(request_id="r-1", trace_id=TRACE)))
            assert code_of(caught.value) == "unknown_message_type"
            subscribe: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
                "/gateway.v1.EdgeGateway/SubscribeEvents"
            )
            stream = await Stream(
                subscribe(encode(device.envelope(message_type="gateway.subscribe")))
            ).opened()
            stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
            assert await stream.end() == "shutting_down"
            assert await stopping == 0
        calls = [line for line in gateway.records() if line["event"] == "grpc_call"]
        assert [(call["operation"], call["outcome"]) for call in calls] == [
            ("ExecuteCommand", "unknown_message_type"),
            ("SubscribeEvents", "shutting_down"),
        ]
        assert (calls[0]["request_id"], calls[0]["trace_id"]) == ("r-1", TRACE)
        assert "trace_id" not in calls[1]
        assert [line for line in gateway.records() if line["level"] not in {"DEBUG", "INFO"}] == []
        assert await redis.execute("XINFO", "GROUPS", "gateway:client-events") == []


async def test_it_comes_up_without_redis_and_recovers(own_valkey: Valkey, processes: Processes) -> None:
    own_valkey.kill()
    gateway = processes.start(GATEWAY_REDIS_URL=own_valkey.url)
    readiness = await get(gateway, "admin", "/readyz")
    assert readiness.status == 503
    assert json.loads(readiness.body)["dependencies"]["redis"]["status"] == "unavailable"
    own_valkey.start()
    assert (await get(gateway, "http", "/api/v1/public/signing-keys")).status == 200
    assert (await get(gateway, "admin", "/readyz")).status == 200
    assert gateway.stop() == 0
    warnings = [line["event"] for line in gateway.records() if line["level"] == "WARNING"]
    assert warnings == ["dependency_unavailable"]


def test_every_wrong_variable_is_reported_at_once(processes: Processes) -> None:
    ended = processes.run(
        GATEWAY_SIGNING_KEY="secret-but-wrong", GATEWAY_ROUTES="lobby=http://a", GATEWAY_LIMIT_COMMAND_IP="x"
    )
    assert ended.returncode == 78
    names = [line.partition(":")[0] for line in ended.stderr.splitlines()]
    assert sorted(names) == [
        "GATEWAY_LIMIT_COMMAND_IP",
        "GATEWAY_REDIS_URL",
        "GATEWAY_ROUTES",
        "GATEWAY_SIGNING_KEY",
    ]
    assert "secret-but-wrong" not in ended.stderr
