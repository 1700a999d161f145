"""Consumers that share a group, and take over from each other, on a real server."""

import asyncio
import logging
import signal
import subprocess
import sys

import pytest

from servicekit.conftest import ROOT
from servicekit.handling_test import (
    HANGING,
    Handlers,
    add,
    consuming,
    key,
    options,
    pending,
    settled,
    settled_after,
    use,
)
from servicekit.redis import Redis
from servicekit.streams import Consumer
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import until


def hanging(valkey: Valkey) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", HANGING, valkey.url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


async def taken(process: "subprocess.Popen[str]", value: str) -> None:
    """Wait until the process has begun with the entry."""
    assert process.stdout is not None
    assert (await asyncio.to_thread(process.stdout.readline)).strip() == value


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.mark.parametrize("mode", ["in order", "at once", "together"])
def test_what_a_killed_process_held_is_taken_over(
    valkey: Valkey, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    caplog.set_level(logging.INFO)

    async def work(redis: Redis, handlers: Handlers) -> None:
        await add(redis, "a:1", "b:1", "a:2")
        process = hanging(valkey)
        try:
            await taken(process, "a:1")
        finally:
            end(process)
        assert await pending(redis) == 3
        async with consuming(redis, claim_idle_ms=50, **options(handlers, mode)):
            await add(redis, "c:1")
            await until("all are done", lambda: len(handlers.done) == 4)
            await settled(redis)
        claimed = [value for value in handlers.done if value != "c:1"]
        assert sorted(claimed) == ["a:1", "a:2", "b:1"]
        assert claimed.index("a:1") < claimed.index("a:2")

    use(valkey, work)
    assert [record.msg for record in caplog.records] == ["stream_entries_claimed"]


def test_what_a_stopped_process_held_is_taken_over(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        await add(redis, "a:1")
        process = hanging(valkey)
        try:
            await taken(process, "a:1")
            process.send_signal(signal.SIGSTOP)
            async with consuming(redis, claim_idle_ms=50, handler=handlers.one):
                await settled_after(redis, handlers, "a:1")
        finally:
            end(process)

    use(valkey, work)


@pytest.mark.parametrize("mode", ["in order", "at once"])
def test_what_a_slow_handler_holds_is_not_taken_from_it(valkey: Valkey, mode: str) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        slow = Handlers()
        slow.gates["a:1"] = asyncio.Event()
        await add(redis, "a:1", "a:2", "a:3")
        slow_consumer = consuming(redis, consumer="slow", claim_idle_ms=150, **options(slow, mode))
        async with slow_consumer, redis.sibling("observer") as observer:
            await until("it began", lambda: slow.begun)
            async with consuming(redis, claim_idle_ms=150, block_ms=20, handler=handlers.one):
                # Longer than claim_idle_ms, by the server's clock.
                start = await observer.execute("TIME")

                async def later() -> bool:
                    now = await observer.execute("TIME")
                    return (
                        int(now[0]) * 1000
                        + int(now[1]) // 1000
                        - int(start[0]) * 1000
                        - int(start[1]) // 1000
                        > 600
                    )

                await until("some time has passed", later)
                assert handlers.begun == []
                slow.gates["a:1"].set()
                await settled(redis)
        assert slow.done == ["a:1", "a:2", "a:3"]

    use(valkey, work)


def test_entries_are_shared_by_the_consumers_of_a_group(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        other = Handlers()
        async with (
            consuming(redis, consumer="one", handler=handlers.one, batch=1),
            consuming(redis, consumer="two", handler=other.one, batch=1),
        ):
            await add(redis, *map(str, range(100)))
            await until("all are done", lambda: len(handlers.done) + len(other.done) == 100)
            await settled(redis)
        assert sorted(handlers.done + other.done, key=int) == [str(number) for number in range(100)]

    use(valkey, work)


def test_a_restart_under_the_same_name_begins_with_what_was_not_handled(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        hanging_handlers = Handlers()
        hanging_handlers.gates["a:1"] = asyncio.Event()
        async with consuming(redis, handler=hanging_handlers.one, key=key, concurrency=4):
            await add(redis, "a:1", "b:1", "a:2")
            await until("one is left", lambda: hanging_handlers.done == ["b:1"])
            await until("it is acknowledged", lambda: acknowledged(redis))
        await add(redis, "a:3")
        async with consuming(redis, handler=handlers.one, key=key, concurrency=4):
            await settled_after(redis, handlers, "a:3")
        assert handlers.done == ["a:1", "a:2", "a:3"]

    async def acknowledged(redis: Redis) -> bool:
        return await pending(redis) == 2

    use(valkey, work)


def test_a_lost_group_is_made_again_below_what_is_still_being_handled(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        first = Handlers()
        first.gates["a:1"] = asyncio.Event()
        async with consuming(redis, handler=first.one, key=key, concurrency=4):
            await add(redis, "a:1", "b:1")
            await until("one is left", lambda: first.done == ["b:1"])
            await redis.execute("XGROUP", "DESTROY", "s", "g")
            await until("it is made again", lambda: again(redis))
            assert first.begun.count("a:1") == 1  # we still have it: it is not handled twice
        # We died before it was handled: it comes again.
        async with consuming(redis, handler=handlers.one, key=key, concurrency=4):
            await until("it came again", lambda: "a:1" in handlers.done)

    async def again(redis: Redis) -> bool:
        groups = await redis.execute("XINFO", "GROUPS", "s")
        return bool(groups) and await pending(redis) > 0

    use(valkey, work)


class Outages:
    """A client's watcher."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def up(self) -> None:
        """Nothing to note."""

    def down(self, reason: str) -> None:
        """Note it."""
        self.reasons.append(reason)


def test_an_acknowledgement_that_fails_is_made_up_for_without_handling_again(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        outages = Outages()
        handlers.gates["a:1"] = asyncio.Event()
        async with Redis(valkey.url, timeout=0.2) as hurried:
            hurried.watch(outages)
            async with consuming(hurried, handler=handlers.one):
                await add(redis, "a:1")
                await until("it began", lambda: handlers.begun)
                await redis.execute("CLIENT", "PAUSE", 100_000, "WRITE")
                handlers.gates["a:1"].set()
                await until("the acknowledgement failed", lambda: outages.reasons)
                assert handlers.done == ["a:1"]
                assert await pending(redis) == 1
                await redis.execute("CLIENT", "UNPAUSE")
                await settled(redis)
        assert handlers.begun == ["a:1"]

    use(valkey, work)


@pytest.mark.parametrize("mode", ["in order", "at once"])
def test_the_drain_finishes_what_was_begun_and_begins_nothing_more(valkey: Valkey, mode: str) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.gates["a:1"] = asyncio.Event()
        await add(redis, "a:1", "a:2")
        async with consuming(redis, **options(handlers, mode)) as consumer:
            await until("it began", lambda: handlers.begun)
            draining = asyncio.create_task(consumer.drain(30))
            await asyncio.sleep(0)
            assert not draining.done()
            handlers.gates["a:1"].set()
            await draining
            assert handlers.done == ["a:1"]
            assert await pending(redis) == 1
        async with consuming(redis, **options(handlers, mode)):
            await settled_after(redis, handlers, "a:2")
        assert handlers.done == ["a:1", "a:2"]

    use(valkey, work)


def test_the_drain_of_an_idle_consumer_does_not_wait_for_entries(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        async with consuming(redis, handler=handlers.one, block_ms=3_600_000) as consumer:
            await add(redis, "a:1")
            await settled_after(redis, handlers, "a:1")
            await consumer.drain(3600)

    use(valkey, work)


def test_the_drain_ends_with_its_budget(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.gates["a:1"] = asyncio.Event()
        await add(redis, "a:1")
        async with consuming(redis, handler=handlers.one, key=key) as consumer:
            await until("it began", lambda: handlers.begun)
            await consumer.drain(0.05)
        assert handlers.running == 0
        assert await pending(redis) == 1

    use(valkey, work)


def test_a_handler_of_either_kind_is_needed() -> None:
    redis = Redis("redis://127.0.0.1:1")
    handlers = Handlers()
    for wrong in (
        {},
        {"handler": handlers.one, "batch_handler": handlers.many},
        {"batch_handler": handlers.many, "key": key},
    ):
        with pytest.raises(ValueError, match="a handler, which may have a key, or a batch_handler"):
            Consumer(redis, stream="s", group="g", consumer="c", **wrong)  # type: ignore[arg-type]
