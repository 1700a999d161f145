import asyncio
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from servicekit.redis import Redis

from gateway.sessions import KEY_PREFIX
from gateway.testing.device import Device, encode
from gateway.testing.edge import Stream, code_of
from gateway.testing.valkey import Valkey

COMMAND = (sys.executable, "-c", "import sys; from gateway.main import main; sys.exit(main())")
SEED = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="


class Gateway:
    """The service in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, addresses: dict[str, str]) -> None:
        self.process = process
        self.addresses = addresses

    async def get(self, listener: str, path: str) -> tuple[int, bytes]:
        def read() -> tuple[int, bytes]:
            try:
                with urllib.request.urlopen(f"http://{self.addresses[listener]}{path}", timeout=10) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read()

        return await asyncio.to_thread(read)

    async def stop(self) -> tuple[int, list[dict[str, str]]]:
        """SIGTERM; the exit status and the log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, [json.loads(line) for line in log.decode().splitlines()]


def environment(**variables: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "LISTEN_"))
    }
    return inherited | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables


@asynccontextmanager
async def running_gateway(redis_url: str, tmp_path: Path, **variables: str) -> AsyncIterator[Gateway]:
    """Starts it and waits for READY."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path = tmp_path / "notify"
        path.unlink(missing_ok=True)
        notify.bind(str(path))
        notify.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            env=environment(
                NOTIFY_SOCKET=str(path),
                GATEWAY_REDIS_URL=redis_url,
                GATEWAY_SIGNING_KEY=SEED,
                GATEWAY_HTTP_ADDR="127.0.0.1:0",
                GATEWAY_GRPC_ADDR="127.0.0.1:0",
                GATEWAY_ADMIN_ADDR="127.0.0.1:0",
                **variables,
            ),
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            fields: dict[str, str] = {}
            while fields.get("READY") != "1":
                message = await asyncio.get_running_loop().sock_recv(notify, 4096)
                fields = dict(line.split("=", 1) for line in message.decode().splitlines())
            prefix = "X_LISTEN_"
            yield Gateway(
                process,
                {
                    name[len(prefix) :].lower(): value
                    for name, value in fields.items()
                    if name.startswith(prefix)
                },
            )
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


async def test_it_serves_and_drains(valkey: Valkey, tmp_path: Path, device: Device) -> None:
    async with running_gateway(valkey.url, tmp_path) as gateway, Redis(valkey.url) as redis:
        flat = [part for pair in device.projection().items() for part in pair]
        await redis.execute("HSET", KEY_PREFIX + "session-1", *flat)
        status, keys = await gateway.get("http", "/api/v1/public/signing-keys")
        assert (status, json.loads(keys)["keys"][0]["key_id"]) == (200, "6a3803d5f059902a")
        assert (await gateway.get("admin", "/readyz"))[0] == 200
        async with grpc.aio.insecure_channel(gateway.addresses["grpc"]) as channel:
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
                await method(encode(device.envelope()))
            assert code_of(caught.value) == "unknown_message_type"
            subscribe: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
                "/gateway.v1.EdgeGateway/SubscribeEvents"
            )
            stream = await Stream(
                subscribe(encode(device.envelope(message_type="gateway.subscribe")))
            ).opened()
            stopping = asyncio.create_task(gateway.stop())
            assert await stream.end() == "shutting_down"
            exit_status, log = await stopping
        assert exit_status == 0
        assert [line for line in log if line["level"] not in {"DEBUG", "INFO"}] == []
        assert await redis.execute("XINFO", "GROUPS", "gateway:client-events") == []


async def test_it_comes_up_without_redis_and_recovers(own_valkey: Valkey, tmp_path: Path) -> None:
    own_valkey.kill()
    async with running_gateway(own_valkey.url, tmp_path) as gateway:
        status, readiness = await gateway.get("admin", "/readyz")
        assert status == 503
        assert json.loads(readiness)["dependencies"]["redis"]["status"] == "unavailable"
        own_valkey.start()
        assert (await gateway.get("http", "/api/v1/public/signing-keys"))[0] == 200
        assert (await gateway.get("admin", "/readyz"))[0] == 200
        exit_status, log = await gateway.stop()
        assert exit_status == 0
        assert [line["event"] for line in log if line["level"] == "WARNING"] == ["dependency_unavailable"]


async def test_every_wrong_variable_is_reported_at_once() -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        env=environment(
            GATEWAY_SIGNING_KEY="secret-but-wrong",
            GATEWAY_ROUTES="lobby=http://a",
            GATEWAY_LIMIT_COMMAND_IP="x",
        ),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 78
    names = [line.partition(":")[0] for line in errors.decode().splitlines()]
    assert sorted(names) == [
        "GATEWAY_LIMIT_COMMAND_IP",
        "GATEWAY_REDIS_URL",
        "GATEWAY_ROUTES",
        "GATEWAY_SIGNING_KEY",
    ]
    assert b"secret-but-wrong" not in errors
