import asyncio
import signal

import pytest
from servicekit.parsers import Limit
from servicekit.redis import Redis
from servicekit.testing.valkey import Valkey

from gateway.admission import Admission, reservation_key
from gateway.limits import Bucket
from gateway.rejection import Rejection

WINDOW_MS = 300_000
WIDE = (Bucket("ip", "a", Limit(1000, 1)),)


async def code_of(admission: Admission, request_id: str = "r", buckets: tuple[Bucket, ...] = WIDE) -> str:
    try:
        await admission.admit("session-1", request_id, buckets)
    except Rejection as rejection:
        return rejection.code
    return "admitted"


async def test_a_request_is_admitted_once(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        admission = Admission(redis, WINDOW_MS)
        assert [await code_of(admission) for _ in range(3)] == [
            "admitted",
            "replayed_request",
            "replayed_request",
        ]
        assert await code_of(admission, "another") == "admitted"


async def test_once_among_many_instances_at_the_same_time(valkey: Valkey) -> None:
    async with Redis(valkey.url) as first, Redis(valkey.url) as second:
        instances = [Admission(redis, WINDOW_MS) for redis in (first, second)]
        codes = await asyncio.gather(*(code_of(instances[number % 2]) for number in range(40)))
        assert sorted(codes) == ["admitted"] + ["replayed_request"] * 39


async def test_the_reservation_outlives_every_moment_at_which_the_request_is_fresh(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        await Admission(redis, WINDOW_MS).admit("session-1", "r", WIDE)
        life_ms = await redis.execute("PTTL", reservation_key("session-1", "r"))
        assert life_ms > 2 * WINDOW_MS


async def test_sessions_do_not_share_request_ids(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        admission = Admission(redis, WINDOW_MS)
        await admission.admit("a:b", "c", WIDE)
        await admission.admit("a", "b:c", WIDE)


async def test_a_rate_limited_request_has_used_up_its_id(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        admission = Admission(redis, WINDOW_MS)
        tight = (Bucket("session", "a", Limit(1, 60)),)
        codes = [await code_of(admission, request_id, tight) for request_id in ("1", "2", "2", "1")]
        assert codes == ["admitted", "rate_limited", "replayed_request", "replayed_request"]


async def test_a_replay_spends_no_budget(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        admission = Admission(redis, WINDOW_MS)
        pair = (Bucket("session", "a", Limit(2, 60)),)
        codes = [await code_of(admission, request_id, pair) for request_id in ("1", "1", "1", "2", "3")]
        assert codes == ["admitted", "replayed_request", "replayed_request", "admitted", "rate_limited"]


async def test_a_limited_request_is_told_when_to_come_back(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        admission = Admission(redis, WINDOW_MS)
        tight = (Bucket("session", "a", Limit(1, 60)),)
        await admission.admit("session-1", "1", tight)
        with pytest.raises(Rejection, match="session") as caught:
            await admission.admit("session-1", "2", tight)
        assert caught.value.retry_after_s in {59, 60}


async def test_a_dead_store_admits_nothing(own_valkey: Valkey) -> None:
    async with Redis(own_valkey.url, timeout=5.0) as redis:
        admission = Admission(redis, WINDOW_MS)
        assert await code_of(admission) == "admitted"
        own_valkey.kill()
        assert await code_of(admission, "2") == "session_store_unavailable"
        own_valkey.start()
        assert await code_of(admission, "3") == "admitted"
        assert await code_of(admission) == "replayed_request"


async def test_a_paused_store_admits_nothing_and_what_it_did_meanwhile_counts(own_valkey: Valkey) -> None:
    async with Redis(own_valkey.url, timeout=0.2) as impatient, Redis(own_valkey.url, timeout=10.0) as redis:
        admission = Admission(redis, WINDOW_MS)
        assert await code_of(admission) == "admitted"
        own_valkey.signal(signal.SIGSTOP)
        assert await code_of(Admission(impatient, WINDOW_MS), "2") == "session_store_unavailable"
        own_valkey.signal(signal.SIGCONT)
        # The script was on its way: whether it ran or not, the id is never admitted twice.
        codes = [await code_of(admission, "2") for _ in range(2)]
        assert codes.count("admitted") <= 1
        assert codes[1] == "replayed_request"


async def test_a_store_that_refuses_admits_nothing(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        await redis.execute("LPUSH", WIDE[0].key, "not a number")
        assert await code_of(Admission(redis, WINDOW_MS)) == "session_store_unavailable"
