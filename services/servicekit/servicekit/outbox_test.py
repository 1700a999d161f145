"""The outbox on real stores: nothing is lost, nothing is doubled, and the order is kept, whatever dies when."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servicekit import outbox
from servicekit.conftest import MIGRATIONS, ROOT
from servicekit.metrics import Registry
from servicekit.outbox import Message, Relay
from servicekit.postgres import Database
from servicekit.redis import Redis, RedisUnavailable
from servicekit.testing.valkey import Valkey
from servicekit.testing.waiting import until

FOR_EVER = 3600.0

#: A relaying process that says when it leads, and dies between the two stores if it is told to.
RELAY = """
import asyncio, logging, os, sys
from pathlib import Path
from servicekit import logs
from servicekit.metrics import Registry
from servicekit.outbox import Relay
from servicekit.postgres import Database
from servicekit.redis import Redis

class Dying(Redis):
    async def run(self, *given):
        await super().run(*given)
        os._exit(9)

async def main(dsn, url, fate):
    logs.configure("INFO", sys.stdout)
    client = Dying if fate == "die" else Redis
    async with Database(dsn, migrations=None, name="relay") as database, client(url) as redis:
        await Relay(database, redis, service="test", metrics=Registry(), poll_s=3600).run()

asyncio.run(main(*sys.argv[1:]))
"""


class Stage:
    """The stores of a test, with verbs."""

    def __init__(self, database: Database, redis: Redis, url: str) -> None:
        self.database = database
        self.redis = redis
        self.url = url
        self.metrics = Registry()

    async def put(self, *values: str, stream: str = "s", key: str | None = None) -> None:
        """Put messages, each in a transaction of its own."""
        for value in values:
            async with self.database.transaction() as connection:
                await outbox.put(connection, stream, {"v": value}, key=key)

    async def values(self, stream: str = "s") -> list[str]:
        """Give what is in the stream."""
        return [fields[1].decode() for _, fields in await self.redis.execute("XRANGE", stream, "-", "+")]

    async def expect(self, *values: str, stream: str = "s") -> None:
        """Wait until the stream has exactly this."""

        async def have() -> bool:
            try:
                return len(await self.values(stream)) >= len(values)
            except RedisUnavailable:
                return False

        await until(f"{stream} has {len(values)} entries", have)
        assert await self.values(stream) == list(values)

    async def sent(self) -> None:
        """Wait until everything is marked as sent."""

        async def all_sent() -> bool:
            return await self.unsent() == 0

        await until("everything is sent", all_sent)

    async def unsent(self) -> int:
        """Count what waits."""
        count: int = await self.database.fetchval("SELECT count(*) FROM outbox WHERE sent_at IS NULL")
        return count

    @asynccontextmanager
    async def relaying(self, redis: Redis | None = None, **options: Any) -> Any:
        """Run a relay; its metrics are the stage's."""
        options = {"poll_s": FOR_EVER, **options}
        relay = Relay(self.database, redis or self.redis, service="test", metrics=self.metrics, **options)
        task = asyncio.create_task(relay.run())
        try:
            yield relay
        finally:
            task.cancel()
            await asyncio.wait((task,))
            if not task.cancelled():
                task.result()

    def published(self, stream: str = "s") -> float:
        """Give the counter's value."""
        return self.metrics.counter("outbox_published_total", "", ("stream",)).value(stream)

    def pending(self) -> float:
        """Give the gauge's value."""
        return self.metrics.gauge("outbox_pending", "").value()


def use(dsn: str, valkey: Valkey, work: Callable[[Stage], Awaitable[None]]) -> None:
    async def go() -> None:
        database = Database(dsn, migrations=MIGRATIONS, name="outbox-test", timeout=5)
        async with database, Redis(valkey.url, timeout=5) as redis:
            await work(Stage(database, redis, valkey.url))

    asyncio.run(go())


@pytest.fixture(autouse=True)
def informed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def logged(caplog: pytest.LogCaptureFixture, event: str) -> int:
    return [record.msg for record in caplog.records].count(event)


def process(dsn: str, url: str, fate: str = "live") -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", RELAY, dsn, url, fate]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def wait_leading(relay: "subprocess.Popen[str]") -> None:
    assert relay.stdout is not None
    for line in relay.stdout:
        if '"outbox_leading"' in line:
            return
    raise AssertionError("it ended before it led")


def end(relay: "subprocess.Popen[str]") -> int:
    relay.kill()
    relay.communicate()
    return relay.returncode


def test_the_table_is_the_one_of_the_migration() -> None:
    assert outbox.MIGRATION in (MIGRATIONS / "0001_messages.sql").read_text()


def test_a_commit_sends_and_wakes_the_relay_at_once(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying():
            # The relay's own looks at the table are an hour apart.
            for number in range(20):
                await stage.put(str(number))
                await stage.expect(*map(str, range(number + 1)))
            await stage.sent()
            assert stage.published() == 20

    use(dsn, valkey, work)


def test_what_is_rolled_back_is_not_sent(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying():
            with pytest.raises(KeyError):
                async with stage.database.transaction() as connection:
                    await outbox.put(connection, "s", {"v": "undone"})
                    raise KeyError("a bug")
            await stage.put("kept")
            await stage.expect("kept")

    use(dsn, valkey, work)


def test_what_was_committed_while_nobody_relayed_is_sent_in_order(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        values = [str(number) for number in range(50)]
        for value in values:
            await stage.put(value, stream="s" if int(value) % 2 else "t")
        async with stage.relaying(batch=7):
            await stage.expect(*values[1::2])
            await stage.expect(*values[0::2], stream="t")

    use(dsn, valkey, work)


def test_messages_that_are_put_together_keep_their_order(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        values = [str(number) for number in range(2000)]
        async with stage.relaying():
            async with stage.database.transaction() as connection:
                await outbox.put_all(connection, [Message("s", {"v": value}) for value in values])
                await outbox.put_all(connection, [])
            await stage.expect(*values)

    use(dsn, valkey, work)


def test_writers_at_the_same_time_lose_and_double_nothing_and_each_keeps_its_order(
    dsn: str, valkey: Valkey
) -> None:
    async def work(stage: Stage) -> None:
        async def write(writer: int) -> None:
            for number in range(60):
                await stage.put(f"{writer}:{number}")

        async with stage.relaying(batch=16):
            await asyncio.gather(*(write(writer) for writer in range(6)))
            await stage.sent()
        values = await stage.values()
        assert len(values) == 360
        for writer in range(6):
            own = [value for value in values if value.startswith(f"{writer}:")]
            assert own == [f"{writer}:{number}" for number in range(60)]

    use(dsn, valkey, work)


def test_every_text_and_every_byte_arrives(dsn: str, valkey: Valkey) -> None:
    fields: dict[str, str | bytes] = {
        "text": "Grüße \N{SNOWMAN} \" \\ \0", "bytes": b"\xff\x00\xfe", "utf8": "é".encode(), "empty": "", "": "nameless",
    }  # fmt: skip

    async def work(stage: Stage) -> None:
        async with stage.relaying():
            async with stage.database.transaction() as connection:
                await outbox.put(connection, "s", fields)
            await stage.sent()
        ((_, flat),) = await stage.redis.execute("XRANGE", "s", "-", "+")
        expected = [
            part.encode() if isinstance(part, str) else part for pair in fields.items() for part in pair
        ]
        assert flat == expected

    use(dsn, valkey, work)


@pytest.mark.parametrize("fields", [{}, {str(number): "" for number in range(1001)}])
def test_messages_that_no_stream_takes_are_refused_when_they_are_put(
    dsn: str, valkey: Valkey, fields: dict[str, str | bytes]
) -> None:
    async def work(stage: Stage) -> None:
        async with stage.database.transaction() as connection:
            with pytest.raises(ValueError, match="a message has 1 to 1000 fields"):
                await outbox.put(connection, "s", fields)

    use(dsn, valkey, work)


def test_the_largest_message_that_can_be_put_can_be_sent(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying():
            async with stage.database.transaction() as connection:
                for number in range(3):
                    large: dict[str, str | bytes] = {str(field): "x" * 1000 for field in range(999)}
                    await outbox.put(connection, "s", {"v": str(number), **large})
            await stage.expect("0", "1", "2")

    use(dsn, valkey, work)


def test_a_key_is_sent_once_to_each_stream(dsn: str, valkey: Valkey) -> None:
    async def work(stage: Stage) -> None:
        async with stage.relaying():
            await stage.put("first", "again", key="k")
            await stage.put("other stream", stream="t", key="k")
            await stage.put("last")
            await stage.expect("first", "last")
            await stage.expect("other stream", stream="t")

    use(dsn, valkey, work)
