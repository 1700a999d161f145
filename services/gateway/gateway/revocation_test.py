import asyncio

import pytest
from servicekit.redis import Redis
from servicekit.streams import Entry, Reject
from servicekit.testing.valkey import Valkey

from gateway.push import Hub
from gateway.revocation import Revocation, StoreWatch
from gateway.sessions import SessionStore


class Health:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def up(self) -> None:
        self.seen.append("up")

    def down(self, reason: str) -> None:
        self.seen.append(reason)


class Recheck(Revocation):
    asked = 0

    def recheck(self) -> None:
        self.asked += 1


async def test_only_a_return_asks_for_a_recheck(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        health, revocation = Health(), Recheck(SessionStore(redis), Hub())
        watch = StoreWatch(health, revocation)
        watch.up()
        watch.down("gone")
        watch.down("gone")
        assert revocation.asked == 0
        watch.up()
        watch.up()
        assert revocation.asked == 1
        assert health.seen == ["up", "gone", "gone", "up", "up"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"event": b"session.revoked"},
        {"event": b"session.revoked", "device_session_id": b""},
        {"event": b"session.revoked", "device_session_id": b"\xff"},
        {"event": b"session.paused", "device_session_id": b"session-1"},
    ],
)
async def test_a_malformed_event_asks_for_a_recheck(valkey: Valkey, fields: dict[str, bytes]) -> None:
    async with Redis(valkey.url) as redis:
        revocation = Recheck(SessionStore(redis), Hub())
        with pytest.raises(Reject):
            await revocation.on_session_event(Entry("1-1", fields))
        assert revocation.asked == 1


async def test_a_created_session_ends_nothing(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        hub = Hub()
        stream = hub.register("user-1", "session-1")
        entry = Entry("1-1", {"event": b"session.created", "device_session_id": b"session-1"})
        await Revocation(SessionStore(redis), hub).on_session_event(entry)
        assert not stream.ended.done()


async def test_a_recheck_waits_for_redis(own_valkey: Valkey) -> None:
    own_valkey.kill()
    async with Redis(own_valkey.url) as redis:
        hub = Hub()
        stream = hub.register("user-1", "session-1")
        revocation = Revocation(SessionStore(redis), hub)
        running = asyncio.create_task(revocation.run())
        revocation.recheck()
        done, _ = await asyncio.wait((stream.ended,), timeout=0.05)
        assert not done
        own_valkey.start()
        async with asyncio.timeout(10):
            assert await stream.ended == "session_revoked"
        running.cancel()
