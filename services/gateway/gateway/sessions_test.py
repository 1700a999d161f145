import base64
import signal

import pytest
from servicekit.redis import Redis
from servicekit.testing.valkey import Valkey

from gateway.rejection import Rejection
from gateway.sessions import KEY_PREFIX, Session, SessionStore
from gateway.testing.device import Device


async def project(redis: Redis, fields: dict[str, str], session_id: str = "session-1") -> None:
    flat = [part for pair in fields.items() for part in pair]
    await redis.transaction([("DEL", KEY_PREFIX + session_id), ("HSET", KEY_PREFIX + session_id, *flat)])


async def code_of(redis: Redis, session_id: str = "session-1") -> str:
    with pytest.raises(Rejection) as caught:
        await SessionStore(redis).active(session_id)
    return caught.value.code


async def test_an_active_session(valkey: Valkey, device: Device) -> None:
    async with Redis(valkey.url) as redis:
        await project(redis, device.projection())
        key = device.key.public_key().public_bytes_raw()
        assert await SessionStore(redis).active("session-1") == Session("session-1", "user-1", "active", key)


async def test_unknown_and_revoked(valkey: Valkey, device: Device) -> None:
    async with Redis(valkey.url) as redis:
        assert await code_of(redis) == "unknown_session"
        await project(
            redis, device.projection(status="revoked", revoked_at_ms="1790000000001", revoke_reason="lost")
        )
        assert await code_of(redis) == "session_revoked"


async def test_a_revocation_holds_for_the_next_call(valkey: Valkey, device: Device) -> None:
    async with Redis(valkey.url) as redis:
        store = SessionStore(redis)
        await project(redis, device.projection())
        await store.active("session-1")
        await redis.execute("HSET", KEY_PREFIX + "session-1", "status", "revoked")
        assert await code_of(redis) == "session_revoked"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": None},
        {"status": "ACTIVE"},
        {"user_id": None},
        {"user_id": "a\r\nb"},
        {"user_id": "gr\u00fcn"},
        {"client_public_key": None},
        {"client_public_key": "short"},
        {"client_public_key": base64.b64encode(bytes(31)).decode()},
        {"device_session_id": "session-2"},
        {"device_session_id": None},
    ],
    ids=str,
)
async def test_a_malformed_projection_is_no_session(
    valkey: Valkey, device: Device, changes: dict[str, str | None]
) -> None:
    async with Redis(valkey.url) as redis:
        await project(redis, device.projection(**changes))
        assert await code_of(redis) == "session_store_unavailable"


async def test_another_type_of_key_is_no_session(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        await redis.execute("SET", KEY_PREFIX + "session-1", "x")
        assert await code_of(redis) == "session_store_unavailable"


async def test_a_dead_store_knows_no_session(own_valkey: Valkey, device: Device) -> None:
    async with Redis(own_valkey.url) as redis:
        await project(redis, device.projection())
        own_valkey.kill()
        assert await code_of(redis) == "session_store_unavailable"


async def test_a_paused_store_is_given_up_in_time(own_valkey: Valkey, device: Device) -> None:
    async with Redis(own_valkey.url, timeout=0.2) as impatient, Redis(own_valkey.url, timeout=10.0) as redis:
        await project(redis, device.projection())
        own_valkey.signal(signal.SIGSTOP)
        assert await code_of(impatient) == "session_store_unavailable"
        own_valkey.signal(signal.SIGCONT)
        await SessionStore(redis).active("session-1")


async def test_the_inactive_of_many(valkey: Valkey, device: Device) -> None:
    async with Redis(valkey.url) as redis:
        for name, status in (("a", "active"), ("b", "revoked"), ("c", "active")):
            await project(redis, Device(name).projection(status=status), name)
        await project(redis, device.projection(), "malformed")
        assert await SessionStore(redis).inactive(["a", "b", "c", "gone", "malformed"]) == [
            "b",
            "gone",
            "malformed",
        ]
