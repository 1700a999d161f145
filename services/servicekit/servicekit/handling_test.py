"""Consumers that share a group, handle many entries at once or together, or die, on a real server."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from servicekit.failures import Unavailable
from servicekit.redis import Redis
from servicekit.streams import Consumer, Entry, Reject
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import until

#: A process that takes entries and never handles them.
HANGING = """
import asyncio, sys
from servicekit.redis import Redis
from servicekit.streams import Consumer

async def handle(entry):
    print(entry.fields["v"].decode(), flush=True)
    await asyncio.Event().wait()

async def main(url):
    async with Redis(url) as redis:
        await Consumer(
            redis, stream="s", group="g", consumer="dying", handler=handle, start="0", claim_idle_ms=300
        ).run()

asyncio.run(main(sys.argv[1]))
"""


class Handlers:
    """Handlers that remember what they were given, and wait where they are told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self.batches: list[list[str]] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.fail: Callable[[str], BaseException | None] = lambda _: None
        self.running = 0
        self.most = 0

    async def one(self, entry: Entry) -> None:
        """Handle one entry; its value is `key:number`."""
        value = entry.fields["v"].decode()
        self.begun.append(value)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0)
            if value in self.gates:
                await self.gates[value].wait()
            if (problem := self.fail(value)) is not None:
                raise problem
            self.done.append(value)
        finally:
            self.running -= 1

    async def many(self, entries: Sequence[Entry]) -> Mapping[str, str]:
        """Handle entries together; those that begin with `bad` are refused."""
        values = [entry.fields["v"].decode() for entry in entries]
        self.batches.append(values)
        for value in values:
            if (problem := self.fail(value)) is not None:
                raise problem
        refused = {entry.id: "it is bad" for entry in entries if entry.fields["v"].startswith(b"bad")}
        self.done += [value for value in values if not value.startswith("bad")]
        return refused


def key(entry: Entry) -> str:
    """Give what comes before the colon."""
    name, colon, _ = entry.fields["v"].decode().partition(":")
    if not colon:
        raise ValueError("no colon")
    return name


def use(valkey: Valkey, work: Callable[[Redis, Handlers], Awaitable[None]]) -> None:
    async def go() -> None:
        async with Redis(valkey.url, timeout=5) as redis:
            await work(redis, Handlers())

    asyncio.run(go())


@contextlib.asynccontextmanager
async def consuming(redis: Redis, **options: Any) -> AsyncIterator[Consumer]:
    arguments = {
        "stream": "s",
        "group": "g",
        "consumer": "c",
        "rejected": "s:rejected",
        "start": "0",
        **options,
    }
    consumer = Consumer(redis, **arguments)
    await consumer.prepare()
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def add(redis: Redis, *values: str) -> None:
    for value in values:
        await redis.execute("XADD", "s", "*", "v", value)


async def pending(redis: Redis) -> int:
    count: int = (await redis.execute("XPENDING", "s", "g"))[0]
    return count


async def settled(redis: Redis) -> None:
    async def none() -> bool:
        return await pending(redis) == 0

    await until("nothing is pending", none)


async def rejected(redis: Redis) -> list[tuple[str, str]]:
    """Give the value and the reason of what was set aside."""
    return [
        (fields[5].decode(), fields[3].decode())
        for _, fields in await redis.execute("XRANGE", "s:rejected", "-", "+")
    ]


def test_other_keys_go_on_while_one_is_busy_and_each_keeps_its_order(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.gates["a:1"] = asyncio.Event()
        async with consuming(redis, handler=handlers.one, key=key, concurrency=4):
            await add(redis, "a:1", "a:2", "b:1", "b:2", "c:1")
            await until("the others are done", lambda: len(handlers.done) == 3)
            await add(redis, "b:3")
            await until("the new one as well", lambda: "b:3" in handlers.done)
            assert "a:2" not in handlers.begun
            handlers.gates["a:1"].set()
            await until("all are done", lambda: len(handlers.done) == 6)
            await settled(redis)
        for name in "ab":
            own = [value for value in handlers.done if value.startswith(name)]
            assert own == sorted(own)

    use(valkey, work)


def test_no_more_entries_are_handled_at_once_than_allowed(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        await add(redis, *(f"{number}:x" for number in range(60)))
        async with consuming(redis, handler=handlers.one, key=key, concurrency=3, batch=7):
            await until("all are done", lambda: len(handlers.done) == 60)
            await settled(redis)
        assert handlers.most == 3

    use(valkey, work)


def test_one_busy_key_does_not_take_more_than_its_room(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.gates["a:0"] = asyncio.Event()
        await add(redis, *(f"a:{number}" for number in range(50)))
        async with consuming(redis, handler=handlers.one, key=key, concurrency=2, batch=5):
            await until("it is full", lambda: full(redis))
            handlers.gates["a:0"].set()
            await until("all are done", lambda: len(handlers.done) == 50)
            await settled(redis)
        assert handlers.done == [f"a:{number}" for number in range(50)]

    async def full(redis: Redis) -> bool:
        return await pending(redis) == 5

    use(valkey, work)


def test_what_is_handled_is_acknowledged_while_another_is_busy(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.gates["a:1"] = asyncio.Event()
        async with consuming(redis, handler=handlers.one, key=key, concurrency=2):
            await add(redis, "a:1", "b:1", "b:2")

            async def one_is_left() -> bool:
                return handlers.done == ["b:1", "b:2"] and await pending(redis) == 1

            await until("the others are acknowledged", one_is_left)
            handlers.gates["a:1"].set()
            await settled(redis)

    use(valkey, work)


def test_an_entry_without_a_key_reaches_the_handler(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.fail = lambda value: Reject("no colon") if ":" not in value else None
        async with consuming(redis, handler=handlers.one, key=key, concurrency=2):
            await add(redis, "malformed", "a:1")
            await settled_after(redis, handlers, "a:1")
        assert await rejected(redis) == [("malformed", "no colon")]

    use(valkey, work)


async def settled_after(redis: Redis, handlers: Handlers, value: str) -> None:
    await until(f"{value} is done", lambda: value in handlers.done)
    await settled(redis)


@pytest.mark.parametrize("mode", ["in order", "at once", "together"])
def test_an_outage_of_what_the_handler_needs_is_waited_out_without_a_word(
    valkey: Valkey, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        left = 4

        def away(value: str) -> BaseException | None:
            nonlocal left
            if value == "a:2" and left:
                left -= 1
                return Unavailable("the database is away")
            return None

        handlers.fail = away
        async with consuming(redis, **options(handlers, mode)):
            await add(redis, "a:1", "a:2", "a:3")
            await settled_after(redis, handlers, "a:3")
        assert left == 0
        # Delivered at least once, in their order, and none set aside.
        assert list(dict.fromkeys(handlers.done)) == ["a:1", "a:2", "a:3"]
        assert await rejected(redis) == []

    use(valkey, work)
    assert [record.msg for record in caplog.records] == []


def options(handlers: Handlers, mode: str) -> dict[str, Any]:
    if mode == "together":
        return {"batch_handler": handlers.many}
    if mode == "at once":
        return {"handler": handlers.one, "key": key, "concurrency": 4}
    return {"handler": handlers.one}


@pytest.mark.parametrize("mode", ["in order", "at once", "together"])
def test_poison_is_set_aside_and_holds_up_nothing(
    valkey: Valkey, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.fail = lambda value: KeyError("a bug") if value == "a:2" else None
        async with consuming(redis, **options(handlers, mode)):
            await add(redis, "a:1", "a:2", "a:3")
            await settled_after(redis, handlers, "a:3")
        assert list(dict.fromkeys(handlers.done)) == ["a:1", "a:3"]
        assert await rejected(redis) == [("a:2", "handler_failed")]

    use(valkey, work)
    counts = Counter(record.msg for record in caplog.records)
    assert counts["stream_handler_failed"] == 3
    assert counts["stream_entry_rejected"] == 1


def test_a_batch_is_handled_by_one_call_and_refuses_entries_one_by_one(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        values = ["a", "bad 1", "b", "bad 2", "c"]
        await add(redis, *values)
        async with consuming(redis, batch_handler=handlers.many):
            await settled_after(redis, handlers, "c")
        assert handlers.batches == [values]
        assert handlers.done == ["a", "b", "c"]
        assert await rejected(redis) == [("bad 1", "it is bad"), ("bad 2", "it is bad")]

    use(valkey, work)


def test_a_batch_that_fails_is_handled_one_by_one(valkey: Valkey) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        handlers.fail = lambda value: KeyError("a bug") if value == "b" else None
        await add(redis, "a", "b", "bad", "c")
        async with consuming(redis, batch_handler=handlers.many):
            await settled_after(redis, handlers, "c")
        assert handlers.batches == [["a", "b", "bad", "c"], ["a"], ["b"], ["b"], ["b"], ["bad"], ["c"]]
        assert await rejected(redis) == [("b", "handler_failed"), ("bad", "it is bad")]

    use(valkey, work)


def test_a_stream_for_rejected_entries_that_is_none_does_not_hold_up_the_others(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(redis: Redis, handlers: Handlers) -> None:
        await redis.execute("SET", "s:rejected", "no stream")
        async with consuming(redis, batch_handler=handlers.many):
            await add(redis, "bad", "good")
            await settled_after(redis, handlers, "good")

    use(valkey, work)
    assert [record.msg for record in caplog.records if record.levelno == logging.ERROR] == [
        "stream_set_aside_failed"
    ]
