"""The outbox when a store, or another instance, is lost at the wrong moment."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from typing import Any

import pytest

from servicekit import outbox
from servicekit.outbox import Message
from servicekit.outbox_test import FOR_EVER, Stage, end, logged, process, use, wait_leading
from servicekit.redis import Argument, Redis, RedisUnavailable, Reply, Script
from servicekit.testing.postgres import Postgres
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import until


@pytest.fixture(autouse=True)
def informed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_relay_that_dies_between_the_stores_doubles_nothing(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        await stage.put("a", "b")
        dying = process(dsn, valkey.url, "die")
        assert (await asyncio.to_thread(dying.communicate))[0]
        assert dying.returncode == 9
        assert await stage.values() == ["a", "b"]
        assert await stage.unsent() == 2
        async with stage.relaying():
            await stage.put("c")
            await stage.expect("a", "b", "c")
            await stage.sent()
        assert await stage.values() == ["a", "b", "c"]
        assert await stage.redis.execute("KEYS", "outbox:*") == [b"outbox:test:leader"]

    use(dsn, valkey, work)


class Lossy(Redis):
    """A client to which the answers of scripts get lost, as often as it is told."""

    losses = 0

    async def run(
        self, script: Script, keys: Sequence[Argument] = (), arguments: Sequence[Argument] = ()
    ) -> Reply:
        reply = await super().run(script, keys, arguments)
        if self.losses:
            self.losses -= 1
            raise RedisUnavailable("the answer was lost")
        return reply


def test_an_answer_that_gets_lost_doubles_nothing(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with Lossy(valkey.url) as lossy, stage.relaying(lossy):
            lossy.losses = 3
            await stage.put("a", "b", "c")
            await stage.sent()
            assert lossy.losses == 0
        assert await stage.values() == ["a", "b", "c"]

    use(dsn, valkey, work)


def test_one_of_two_relays_and_the_other_takes_over_at_once_when_it_is_killed(
    dsn: str, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(stage: Stage) -> None:
        leader = process(dsn, valkey.url)
        try:
            await asyncio.to_thread(wait_leading, leader)
            async with stage.relaying():
                await stage.put("a")
                await stage.expect("a")
                await stage.sent()
                assert logged(caplog, "outbox_leading") == 0
                leader.send_signal(signal.SIGSTOP)
                await stage.put("b")
                assert await stage.unsent() == 1
                leader.kill()
                await stage.expect("a", "b")
                assert logged(caplog, "outbox_leading") == 1
        finally:
            end(leader)

    use(dsn, valkey, work)


def test_two_relays_send_everything_once(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        values = [str(number) for number in range(200)]
        async with stage.relaying(batch=5), stage.relaying(batch=3):
            for value in values:
                await stage.put(value)
                if int(value) % 40 == 0:  # the one who relays loses its lock, and its connection
                    await stage.database.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                    )
            await stage.sent()
        assert await stage.values() == values

    use(dsn, valkey, work)


class Late(Redis):
    """A client whose next script waits, as one of a process that was stopped."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def run(
        self, script: Script, keys: Sequence[Argument] = (), arguments: Sequence[Argument] = ()
    ) -> Reply:
        if not self.reached.is_set():
            self.reached.set()
            await self.go_on.wait()
        return await super().run(script, keys, arguments)


def test_one_that_wakes_up_after_another_took_over_sends_nothing(
    dsn: str, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(stage: Stage) -> None:
        async with Late(valkey.url) as late, stage.relaying(late):
            await stage.put("a")
            await late.reached.wait()
            async with stage.relaying():
                await stage.database.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
                )
                await stage.expect("a")
                await stage.sent()
                late.go_on.set()
                await until("it was turned away", lambda: logged(caplog, "outbox_fenced"))
        assert await stage.values() == ["a"]

    use(dsn, valkey, work)


def test_while_redis_is_down_messages_wait_and_are_counted(
    dsn: str, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying(poll_s=0.05):
            await stage.put("before")
            await stage.expect("before")
            valkey.kill()
            await stage.put("a", "b", "c")
            await until("they are counted", lambda: stage.pending() == 3)
            valkey.start()
            await stage.expect("a", "b", "c")  # the server forgot the one of before
            await until("none is counted", lambda: stage.pending() == 0)

    use(dsn, valkey, work)
    assert all(record.levelno < logging.WARNING for record in caplog.records)


def test_a_flushed_redis_gets_what_comes_afterwards(
    dsn: str, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying():
            await stage.put("before")
            await stage.expect("before")
            await stage.redis.execute("FLUSHALL")
            await stage.put("a", "b")
            await stage.expect("a", "b")

    use(dsn, valkey, work)
    assert logged(caplog, "outbox_fenced") == 1


def test_a_redis_without_memory_is_waited_for(
    dsn: str, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying(poll_s=0.05):
            await stage.put("before")
            await stage.expect("before")
            await stage.redis.execute("CONFIG", "SET", "maxmemory", "1")
            await stage.put("a")
            await until("it is counted", lambda: stage.pending() == 1)
            await stage.redis.execute("CONFIG", "SET", "maxmemory", "0")
            await stage.expect("before", "a")

    use(dsn, valkey, work)
    assert logged(caplog, "outbox_stream_refused") == 0


def test_a_stream_that_takes_nothing_does_not_hold_up_the_others_and_keeps_its_order(
    dsn: str, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(stage: Stage) -> None:
        await stage.redis.execute("SET", "s", "no stream")
        async with stage.relaying():
            await stage.put("a", "b")
            await stage.put("x", stream="t")
            await stage.expect("x", stream="t")
            await stage.put("c")
            await until("it is refused", lambda: logged(caplog, "outbox_stream_refused"))
            await stage.redis.execute("DEL", "s")
            await stage.expect("a", "b", "c")
            await stage.sent()

    use(dsn, valkey, work)
    assert logged(caplog, "outbox_stream_refused") == 1
    assert logged(caplog, "outbox_stream_accepted") == 1


def test_a_restarted_database_is_waited_for(postgres: Postgres, dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying():
            await stage.put("a")
            await stage.expect("a")
            await stage.sent()
            postgres.kill()
            postgres.start()
            await stage.put("b")
            await stage.expect("a", "b")

    use(dsn, valkey, work)


def test_a_wake_up_that_is_lost_is_made_up_for(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying(poll_s=0.05):
            await stage.put("a")
            await stage.expect("a")
            await stage.database.execute(
                """INSERT INTO outbox (stream, key, fields) VALUES ('s', 'k', '{"v": "silent"}')"""
            )
            await stage.expect("a", "silent")

    use(dsn, valkey, work)


def test_sent_rows_are_kept_for_a_time_and_then_forgotten(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async def rows() -> list[str]:
            return [row["key"] for row in await stage.database.fetch("SELECT key FROM outbox ORDER BY id")]

        await stage.redis.execute("SET", "t", "no stream")
        async with stage.relaying(poll_s=0.05, retention_s=600):
            await stage.put("a", key="old")
            await stage.put("b", key="new")
            await stage.put("x", stream="t", key="stuck")
            await stage.expect("a", "b")
            await until("the two are marked", lambda: unsent_is(stage, 1))
            await stage.database.execute(
                "UPDATE outbox SET sent_at = sent_at - interval '601 s' WHERE key = 'old'"
            )

            async def forgotten() -> bool:
                return await rows() == ["new", "stuck"]

            await until("the old one is forgotten", forgotten)

    use(dsn, valkey, work)


async def unsent_is(stage: Stage, count: int) -> bool:
    return await stage.unsent() == count


def test_streams_are_trimmed(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying(maxlen=100):
            async with stage.database.transaction() as connection:
                await outbox.put_all(connection, [Message("s", {"v": str(number)}) for number in range(1000)])
            await stage.sent()
        assert 100 <= len(await stage.values()) < 400

    use(dsn, valkey, work)


def test_the_drain_waits_for_what_was_committed(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying(batch=10) as relay:
            await stage.put("first")
            await stage.expect("first")
            async with stage.database.transaction() as connection:
                await outbox.put_all(connection, [Message("s", {"v": str(number)}) for number in range(200)])
            await relay.drain(30)
            assert await stage.unsent() == 0

    use(dsn, valkey, work)


def test_the_drain_of_one_that_does_not_relay_does_not_wait(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying():
            await stage.put("a")
            await stage.expect("a")
            async with stage.relaying() as other:
                await other.drain(FOR_EVER)

    use(dsn, valkey, work)


def test_the_drain_ends_with_its_budget_and_what_is_left_leaves_later(
    dsn: str, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying() as relay:
            await stage.put("a")
            await stage.expect("a")
            await stage.sent()
            valkey.kill()
            await stage.put("b")
            await relay.drain(0.05)
        assert logged(caplog, "outbox_drain_cut") == 1
        valkey.start()
        async with stage.relaying():
            await stage.expect("b")

    use(dsn, valkey, work)
