"""The inbox on a real server."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from servicekit import inbox
from servicekit.conftest import MIGRATIONS
from servicekit.postgres import Database
from servicekit.testing.waiting import until


def use(dsn: str, work: Callable[[Database], Awaitable[None]]) -> None:
    async def go() -> None:
        async with Database(dsn, migrations=MIGRATIONS, name="inbox-test", timeout=10) as database:
            await work(database)

    asyncio.run(go())


async def handle(database: Database, entry_id: str, stream: str = "s") -> bool:
    """Handle an entry as a service does, by counting it; False if it was handled before."""
    async with database.transaction() as connection:
        if await inbox.seen(connection, stream, entry_id):
            return False
        await connection.execute(
            "INSERT INTO things VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET amount = things.amount + 1",
            entry_id,
        )
        return True


def test_the_table_is_the_one_of_the_migration() -> None:
    assert inbox.MIGRATION in (MIGRATIONS / "0001_messages.sql").read_text()


def test_an_entry_is_handled_once(dsn: str) -> None:
    async def work(database: Database) -> None:
        assert await handle(database, "1-1")
        assert not await handle(database, "1-1")
        assert await handle(database, "1-2")
        assert await handle(database, "1-1", "another stream")

    use(dsn, work)


def test_an_entry_whose_handling_failed_was_not_handled(dsn: str) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(KeyError):
            async with database.transaction() as connection:
                assert not await inbox.seen(connection, "s", "1-1")
                raise KeyError("a bug")
        assert await handle(database, "1-1")

    use(dsn, work)


def test_consumers_with_the_same_entry_at_the_same_time_handle_it_once(dsn: str) -> None:
    async def work(database: Database) -> None:
        outcomes = await asyncio.gather(*(handle(database, "1-1") for _ in range(8)))
        assert sorted(outcomes) == [False] * 7 + [True]
        assert await database.fetchval("SELECT amount FROM things") == 1

    use(dsn, work)


def test_a_batch_says_which_were_handled(dsn: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as connection:
            assert await inbox.seen_of(connection, "s", ["1-1", "1-2"]) == set()
        async with database.transaction() as connection:
            assert await inbox.seen_of(connection, "s", ["1-3", "1-2", "1-1"]) == {"1-1", "1-2"}
            assert await inbox.seen_of(connection, "s", []) == set()

    use(dsn, work)


def test_batches_with_the_same_entries_in_another_order_do_not_block_each_other(dsn: str) -> None:
    async def work(database: Database) -> None:
        ids = [f"1-{number}" for number in range(200)]

        async def batch(entries: list[str]) -> int:
            async with database.transaction() as connection:
                return len(entries) - len(await inbox.seen_of(connection, "s", entries))

        for _ in range(10):
            await database.execute("DELETE FROM inbox")
            assert (
                sum(await asyncio.gather(batch(ids), batch(ids[::-1]), batch(ids[100:] + ids[:100]))) == 200
            )

    use(dsn, work)


def test_what_was_handled_long_ago_is_forgotten(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "PRUNE_BATCH", 3)

    async def work(database: Database) -> None:
        for number in range(10):
            await handle(database, f"1-{number}")
        await database.execute("UPDATE inbox SET seen_at = now() - interval '61 s' WHERE entry_id <> '1-9'")
        assert await inbox.prune(database, retention_s=60) == 9
        assert await inbox.prune(database, retention_s=60) == 0
        assert await handle(database, "1-0")
        assert not await handle(database, "1-9")

    use(dsn, work)


def test_pruning_goes_on(dsn: str) -> None:
    async def work(database: Database) -> None:
        pruning = asyncio.create_task(inbox.keep_pruned(database, retention_s=0, every_s=0.01))

        async def forgotten() -> bool:
            count: int = await database.fetchval("SELECT count(*) FROM inbox")
            return count == 0

        for number in range(2):
            await handle(database, f"1-{number}")
            await until("it is forgotten", forgotten)
        pruning.cancel()
        await asyncio.wait((pruning,))

    use(dsn, work)
