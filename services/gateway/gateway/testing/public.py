"""The gateway's public HTTP side in the test's process."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from servicekit.client import HttpClient, Reply
from servicekit.health import Dependency, Health
from servicekit.http import Router
from servicekit.metrics import Registry
from servicekit.parsers import Limit
from servicekit.redis import Redis
from servicekit.server import HttpServer as Server
from servicekit.testing.valkey import Valkey

from gateway.client_address import TrustedProxies
from gateway.public_api import CONFIRM_EMAIL_CODE, LIST_SIGNING_KEYS, SEND_EMAIL_CODE
from gateway.public_http import PublicHttp, PublicLimits
from gateway.relay import Relay
from gateway.signing import Signer
from gateway.testing.http_server import HttpServer

WIDE = Limit(1_000_000, 1)
UNLIMITED = PublicLimits(
    send_code_ip=WIDE,
    send_code_email=WIDE,
    confirm_code_ip=WIDE,
    confirm_code_challenge=WIDE,
    signing_keys_ip=WIDE,
)
SEND = {"email": "ada@example.test"}
CONFIRM = {
    "challenge_id": "challenge-1",
    "code": "123456",
    "client_public_key": "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=",
    "time_zone": "Europe/Berlin",
}


@dataclass(kw_only=True)
class Public:
    """A gateway's public side, and the authsession behind it."""

    authsession: HttpServer
    dependency: Dependency
    client: HttpClient

    async def send(self, body: Any = None, **headers: str) -> Reply:
        """send-email-code; by default a valid request."""
        return await self.post(SEND_EMAIL_CODE.path, SEND if body is None else body, **headers)

    async def confirm(self, **changes: Any) -> Reply:
        """confirm-email-code with a valid request, changed."""
        return await self.post(CONFIRM_EMAIL_CODE.path, CONFIRM | changes)

    async def keys(self) -> Reply:
        """signing-keys."""
        return await self.client.request("GET", LIST_SIGNING_KEYS.path)

    async def post(self, path: str, body: Any, **headers: str) -> Reply:
        """A POST of `body`: bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        names = {"content-type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return await self.client.request("POST", path, headers=names, body=raw)


def code_of(reply: Reply) -> str:
    """The code of an error."""
    code: str = msgspec.json.decode(reply.body)["error"]["code"]
    return code


@asynccontextmanager
async def running_public(
    valkey: Valkey,
    *,
    configured: bool = True,
    upstream_timeout: float = 5.0,
    redis_timeout: float = 5.0,
    proxies: TrustedProxies | None = None,
    limits: PublicLimits = UNLIMITED,
) -> AsyncIterator[Public]:
    """A gateway's public side."""
    async with AsyncExitStack() as stack:
        registry = Registry()
        redis = await stack.enter_async_context(Redis(valkey.url, timeout=redis_timeout))
        authsession = await stack.enter_async_context(HttpServer())
        upstream = await stack.enter_async_context(HttpClient(authsession.url, timeout=upstream_timeout))
        dependency = Health(registry).dependency("authsession", redis.ping)
        public = PublicHttp(
            redis=redis,
            relay=Relay(upstream, dependency) if configured else None,
            signer=Signer(bytes(32)),
            limits=limits,
            proxies=proxies or TrustedProxies(),
        )
        router = Router(
            [
                (SEND_EMAIL_CODE, public.send_email_code),
                (CONFIRM_EMAIL_CODE, public.confirm_email_code),
                (LIST_SIGNING_KEYS, public.list_signing_keys),
            ],
            listener="http",
            metrics=registry,
        )
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server = Server(router, listener, head_timeout_s=5.0, max_connections=64)
        await server.start()
        stack.push_async_callback(server.drain, 1.0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = await stack.enter_async_context(HttpClient(url, timeout=20.0))
        yield Public(authsession=authsession, dependency=dependency, client=client)
