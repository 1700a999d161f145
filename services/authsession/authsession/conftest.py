"""What the tests stand on: a real Valkey, and an event loop to talk to it."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis
import pytest
from servicekit.health import Dependency, Health
from servicekit.metrics import Registry
from servicekit.redis import Redis
from servicekit.testing.loop import Loop
from servicekit.testing.peer import Answer, Asked, Peer
from servicekit.testing.valkey import Valkey, embedded_valkey

from authsession import challenges, sessions
from authsession.blocks import Blocks
from authsession.challenges import Challenges, Right
from authsession.sealing import Sealer
from authsession.sessions import Created, Sessions

# How long an example takes says how busy the machine is, nothing else.
hypothesis.settings.register_profile(
    "authsession", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("authsession")

PEPPER = bytes(range(32))
MAX_EVENTS = 1000
RETENTION_MS = 60_000


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """One server for all tests."""
    with embedded_valkey() as server:
        yield server


@dataclass(frozen=True)
class Call:
    """A request that a peer got."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Service(Peer[Call]):
    """The service at the other end of an adapter: answers as `replies` say, one each, the last one for ever."""

    def __init__(self, *replies: Answer) -> None:
        super().__init__()
        self.replies = list(replies)

    async def answer(self, asked: Asked) -> Answer:
        """Give the next reply."""
        await self.record(Call(asked.method, asked.path, asked.headers, json.loads(asked.body)))
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


class World(Loop):
    """An event loop, an empty Redis, and authsession's own view of it."""

    def __init__(self, runner: asyncio.Runner, url: str) -> None:
        super().__init__(runner)
        self.url = url
        self.redis = self.enter(Redis(url))
        self.sealer = Sealer(PEPPER)
        self.metrics = Registry()
        self.health = Health(self.metrics)

    def command(self, *words: str | bytes | int) -> Any:
        """A Redis command."""
        return self.run(self.redis.execute(*words))

    def peer(self, *replies: Answer) -> tuple[Service, str]:
        """A service that answers so, and its base URL."""
        service = Service(*replies)
        return service, self.enter(service).url

    def dependency(self, name: str) -> Dependency:
        """The state of something outside."""
        return self.health.dependency(name, self.redis.ping)

    def hash(self, key: str) -> dict[str, str]:
        """A hash as text."""
        flat = [item.decode() for item in self.command("HGETALL", key)]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def events(self) -> list[dict[str, str]]:
        """The entries of gateway:session-events."""
        found = []
        for _, flat in self.command("XRANGE", "gateway:session-events", "-", "+"):
            texts = [item.decode() for item in flat]
            found.append(dict(zip(texts[::2], texts[1::2], strict=True)))
        return found

    def challenges(self, redis: Redis | None = None, **rules: int) -> Challenges:
        """Challenges with other limits than the usual ones."""
        usual = {"code_ttl_ms": 60_000, "send_interval_ms": 60_000, "max_tries": 5, "retention_ms": 60_000}
        return Challenges(redis or self.redis, self.sealer, challenges.Rules(**{**usual, **rules}))

    def sessions(
        self, redis: Redis | None = None, *, max_per_user: int = 10, retention_ms: int = RETENTION_MS
    ) -> Sessions:
        """Sessions with other limits than the usual ones."""
        rules = sessions.Rules(
            max_per_user=max_per_user, revoked_retention_ms=retention_ms, max_events=MAX_EVENTS
        )
        return Sessions(redis or self.redis, rules)

    def blocks(self) -> Blocks:
        """Blocks."""
        return Blocks(self.redis, self.sealer, revoked_retention_ms=RETENTION_MS, max_events=MAX_EVENTS)

    def sign_in(self, name: str, *, user_id: str = "u1", sessions: Sessions | None = None) -> str:
        """A new session by a challenge of its own; `name` makes the address and the key."""
        challenges = self.challenges()
        opened = self.run(challenges.open(f"{name}@example.test", "en"))
        assert opened.code is not None
        right = self.run(challenges.attempt(opened.challenge_id, opened.code, key(name)))
        assert isinstance(right, Right)
        created = self.run(
            (sessions or self.sessions()).create(
                opened.challenge_id, right, user_id=user_id, public_key=key(name), time_zone="UTC"
            )
        )
        assert isinstance(created, Created)
        return created.device_session_id


def key(name: str) -> str:
    """A public key of its own for each name."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


@pytest.fixture
def world(valkey_server: Valkey) -> Iterator[World]:
    """An empty world."""
    with asyncio.Runner() as runner:
        world = World(runner, valkey_server.unix_url)
        world.command("FLUSHALL")
        yield world
        world.close()
