"""Consumer groups on a real server, through everything that can happen to it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servicekit.redis import Redis
from servicekit.streams import Consumer, Entry, Reject, remove_idle_groups
from servicekit.testing.valkey import Valkey


class Received:
    """A handler that remembers, and can be told to fail."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.fail: Callable[[Entry], BaseException | None] = lambda _: None
        self._changed = asyncio.Condition()

    async def __call__(self, entry: Entry) -> None:
        async with self._changed:
            self.entries.append(entry)
            self._changed.notify_all()
        if (problem := self.fail(entry)) is not None:
            raise problem

    async def values(self, count: int) -> list[bytes]:
        """Wait for so many deliveries and give their field ``v``."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.entries) >= count)
        return [entry.fields["v"] for entry in self.entries]


@asynccontextmanager
async def consuming(redis: Redis, received: Received, **options: Any) -> AsyncIterator[Consumer]:
    arguments = {"stream": "s", "group": "g", "consumer": "c", "rejected": "s:rejected", **options}
    consumer = Consumer(redis, handler=received, **arguments)
    await consumer.prepare()
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        task.cancel()
        await asyncio.wait((task,))


def use(valkey: Valkey, work: Callable[[Redis, Received], Awaitable[None]]) -> None:
    async def go() -> None:
        async with Redis(valkey.url, timeout=5) as redis:
            await work(redis, Received())

    asyncio.run(go())


async def add(redis: Redis, *values: str, stream: str = "s") -> None:
    for value in values:
        await redis.execute("XADD", stream, "*", "v", value)


async def drained(redis: Redis) -> None:
    """Wait until nothing is pending any more."""
    while (await redis.execute("XPENDING", "s", "g"))[0] != 0:  # noqa: ASYNC110 - the server has no event for it
        await asyncio.sleep(0)


def test_a_new_group_begins_with_what_comes_from_now_on(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        await add(redis, "before")
        async with consuming(redis, received):
            await add(redis, "a", "b")
            assert await received.values(2) == [b"a", b"b"]
            await drained(redis)

    use(valkey, work)


def test_a_group_can_begin_with_everything(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        await add(redis, "before")
        async with consuming(redis, received, start="0"):
            assert await received.values(1) == [b"before"]

    use(valkey, work)


def test_what_was_delivered_and_not_handled_comes_again(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        hang = asyncio.Event()

        async def never(_: Entry) -> None:
            hang.set()
            await asyncio.Event().wait()

        first = Consumer(redis, stream="s", group="g", consumer="c", handler=never)
        await first.prepare()
        task = asyncio.create_task(first.run())
        await add(redis, "a")
        await hang.wait()
        task.cancel()
        await asyncio.wait((task,))
        async with consuming(redis, received):
            assert await received.values(1) == [b"a"]
            await drained(redis)

    use(valkey, work)


def test_a_rejected_entry_is_set_aside_and_the_next_one_comes(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(redis: Redis, received: Received) -> None:
        received.fail = lambda entry: Reject("no user") if entry.fields["v"] == b"bad" else None
        async with consuming(redis, received):
            await add(redis, "bad", "good")
            assert await received.values(2) == [b"bad", b"good"]
            await drained(redis)
        ((_, fields),) = await redis.execute("XRANGE", "s:rejected", "-", "+")
        bad_id = received.entries[0].id.encode()
        assert fields == [b"entry_id", bad_id, b"reason", b"no user", b"entry:v", b"bad"]

    use(valkey, work)
    assert [record.msg for record in caplog.records] == ["stream_entry_rejected"]


def test_an_entry_that_makes_the_handler_fail_is_tried_three_times_and_set_aside(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(redis: Redis, received: Received) -> None:
        received.fail = lambda entry: KeyError("bug") if entry.fields["v"] == b"bad" else None
        async with consuming(redis, received):
            await add(redis, "bad", "good")
            assert await received.values(4) == [b"bad", b"bad", b"bad", b"good"]
            await drained(redis)
        assert await redis.execute("XLEN", "s:rejected") == 1

    use(valkey, work)
    assert [record.msg for record in caplog.records if record.levelno == logging.ERROR] == [
        "stream_handler_failed"
    ] * 3


def test_fields_that_are_not_text_reach_the_handler(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        async with consuming(redis, received):
            await redis.execute("XADD", "s", "*", b"\xff", b"\x00", "v", b"\xfe")
            assert await received.values(1) == [b"\xfe"]
            assert received.entries[0].fields["\\xff"] == b"\x00"

    use(valkey, work)


def test_a_lost_group_is_made_again_where_it_was(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        async with consuming(redis, received):
            await add(redis, "a")
            await received.values(1)
            await drained(redis)
            await redis.transaction([("XGROUP", "DESTROY", "s", "g"), ("XADD", "s", "*", "v", "b")])
            assert await received.values(2) == [b"a", b"b"]

    use(valkey, work)


def test_a_flushed_server_loses_no_later_entry(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        async with consuming(redis, received):
            await add(redis, "a")
            await received.values(1)
            await drained(redis)
            # The new stream's first entry is there before the group can be made again, and its id is lower.
            await redis.transaction([("FLUSHALL",), ("XADD", "s", "1-1", "v", "b")])
            assert await received.values(2) == [b"a", b"b"]

    use(valkey, work)


@pytest.mark.parametrize("loss", ["FLUSHALL", "XGROUP DESTROY s g", "DEL s"])
def test_whoever_asked_is_told_that_the_group_was_lost(valkey: Valkey, loss: str) -> None:
    async def work(redis: Redis, received: Received) -> None:
        lost = asyncio.Event()
        async with consuming(redis, received, on_lost=lost.set):
            await add(redis, "a")
            await received.values(1)
            await drained(redis)
            assert not lost.is_set()
            await redis.execute(*loss.split())
            async with asyncio.timeout(10):
                await lost.wait()

    use(valkey, work)


def test_a_killed_and_restarted_server_is_waited_for(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        async with consuming(redis, received):
            await add(redis, "a")
            await received.values(1)
            valkey.kill()
            valkey.start()
            async with redis.sibling("producer") as producer:
                await add(producer, "b")
            assert await received.values(2) == [b"a", b"b"]

    use(valkey, work)


def test_a_stream_that_is_no_stream_is_reported_and_waited_out(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(redis: Redis, received: Received) -> None:
        async with consuming(redis, received, block_ms=10):
            await redis.execute("SET", "s", "x")
            while not any(record.msg == "stream_read_failed" for record in caplog.records):  # noqa: ASYNC110 - nor the log
                await asyncio.sleep(0)
            await redis.execute("DEL", "s")
            await add(redis, "a")
            assert await received.values(1) == [b"a"]

    use(valkey, work)


def test_destroying_leaves_no_group(valkey: Valkey) -> None:
    async def work(redis: Redis, received: Received) -> None:
        async with consuming(redis, received) as consumer:
            await add(redis, "a")
            await received.values(1)
        await consumer.destroy()
        assert await redis.execute("XINFO", "GROUPS", "s") == []

    use(valkey, work)


def test_only_groups_of_dead_instances_are_removed(valkey: Valkey) -> None:
    async def work(redis: Redis, _: Received) -> None:
        assert await remove_idle_groups(redis, "s", prefix="gateway-", keep="gateway-own", idle_ms=0) == []
        for group in ("gateway-own", "gateway-dead", "gateway-new", "other-dead"):
            await redis.execute("XGROUP", "CREATE", "s", group, "$", "MKSTREAM")
            if group != "gateway-new":
                await redis.execute("XGROUP", "CREATECONSUMER", "s", group, "c")
        alive = await remove_idle_groups(redis, "s", prefix="gateway-", keep="gateway-own", idle_ms=3_600_000)
        assert alive == []
        removed = await remove_idle_groups(redis, "s", prefix="gateway-", keep="gateway-own", idle_ms=0)
        assert removed == ["gateway-dead"]
        left = {group[1].decode() for group in await redis.execute("XINFO", "GROUPS", "s")}
        assert left == {"gateway-own", "gateway-new", "other-dead"}

    use(valkey, work)
