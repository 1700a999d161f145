import pytest
from servicekit.parsers import Limit
from servicekit.redis import Redis, RedisUnavailable
from servicekit.testing.valkey import Valkey

from gateway.limits import Bucket, Exhausted, spend

MINUTE = Limit(3, 60)


async def test_a_burst_then_none(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        bucket = Bucket("ip", "192.0.2.1", MINUTE)
        assert [await spend(redis, [bucket]) for _ in range(3)] == [None] * 3
        exhausted = await spend(redis, [bucket])
        assert exhausted is not None
        assert exhausted.bucket == "ip"
        assert 0 < exhausted.wait_ms <= 20_000


async def test_what_is_refused_spends_nothing(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        tight, wide = Bucket("ip", "a", Limit(1, 60)), Bucket("user", "a", MINUTE)
        assert await spend(redis, [tight, wide]) is None
        for _ in range(5):
            assert (await spend(redis, [tight, wide])) is not None
        assert [await spend(redis, [wide]) for _ in range(2)] == [None, None]


async def test_the_longest_wait_is_told(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        short, long = Bucket("ip", "a", Limit(1, 60)), Bucket("user", "a", Limit(1, 3600))
        assert await spend(redis, [short, long]) is None
        exhausted = await spend(redis, [short, long])
        assert exhausted is not None
        assert exhausted.bucket == "user"
        assert 3_590_000 < exhausted.wait_ms <= 3_600_000


async def test_subjects_and_names_do_not_share(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        buckets = [Bucket(name, subject, Limit(1, 60)) for name in ("ip", "user") for subject in ("a", "b")]
        assert [await spend(redis, [bucket]) for bucket in buckets] == [None] * 4


async def test_two_instances_share_one_bucket(valkey: Valkey) -> None:
    async with Redis(valkey.url) as first, Redis(valkey.url) as second:
        bucket = Bucket("ip", "a", MINUTE)
        outcomes = [await spend(redis, [bucket]) for redis in (first, second, first, second)]
        assert [outcome is None for outcome in outcomes] == [True, True, True, False]


async def test_a_full_bucket_leaves_no_key(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        bucket = Bucket("ip", "a", MINUTE)
        await spend(redis, [bucket])
        assert 0 < await redis.execute("PTTL", bucket.key) <= 20_000


async def test_time_gives_back_one_by_one(valkey: Valkey) -> None:
    async with Redis(valkey.url) as redis:
        bucket = Bucket("ip", "a", MINUTE)
        for _ in range(3):
            await spend(redis, [bucket])
        # The stored time of arrival, one interval earlier: as if 20 s had gone by.
        arrival = int(await redis.execute("GET", bucket.key))
        await redis.execute("SET", bucket.key, arrival - bucket.interval_us)
        assert await spend(redis, [bucket]) is None
        assert await spend(redis, [bucket]) is not None


async def test_without_redis_it_raises(own_valkey: Valkey) -> None:
    own_valkey.kill()
    async with Redis(own_valkey.url) as redis:
        with pytest.raises(RedisUnavailable):
            await spend(redis, [Bucket("ip", "a", MINUTE)])


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (59_001, 60)])
def test_retry_after_is_whole_seconds_rounded_up(wait_ms: int, seconds: int) -> None:
    assert Exhausted("ip", wait_ms).retry_after_s == seconds
