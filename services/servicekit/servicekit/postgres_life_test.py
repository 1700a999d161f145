"""The database's connections and migrations, from the start over cancelled work to the end."""

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path

import pytest

from servicekit.conftest import MIGRATIONS
from servicekit.migrations import MigrationError
from servicekit.postgres import Connection, Database, DatabaseUnavailable
from servicekit.postgres_test import OUTAGE, add, answers, events, names, sessions, use
from servicekit.testing.postgres import Postgres
from servicekit.testing.waiting import until


@pytest.fixture(autouse=True)
def informed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_who_is_cancelled_in_a_statement_gives_everything_back(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(database: Database) -> None:
        async def sleep() -> None:
            async with database.transaction() as connection, connection.transaction():
                await add(connection, "undone")
                await connection.execute("SELECT pg_sleep(600)", timeout=600)

        async with database.session() as observer:
            for _ in range(4):
                task = asyncio.create_task(sleep())
                await until("it sleeps", lambda: sleeping(observer))
                task.cancel()
                await asyncio.wait((task,))
                assert task.cancelled()
                await until("the server noticed", lambda: no(sleeping(observer)))
        assert await names(database) == []
        assert await sessions(database) <= 1

    use(dsn, work, max_connections=2, timeout=30)
    assert events(caplog) == []


async def sleeping(observer: Connection) -> int:
    count: int = await observer.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    return count


async def no(count: Awaitable[int]) -> bool:
    return await count == 0


def test_who_is_cancelled_between_statements_gives_everything_back(dsn: str) -> None:
    async def work(database: Database) -> None:
        added = asyncio.Event()

        async def hang() -> None:
            async with database.transaction() as connection, connection.transaction():
                await add(connection, "undone")
                added.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(hang())
        await added.wait()
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert await names(database) == []

    use(dsn, work, max_connections=1)


def test_who_is_cancelled_while_waiting_takes_no_connection_along(dsn: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction():
            waiting = [asyncio.create_task(database.ping()) for _ in range(3)]
            await asyncio.sleep(0)
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)
        await database.ping()

    use(dsn, work, max_connections=1)


def test_a_transaction_that_is_left_open_by_hand_is_not_handed_on(dsn: str) -> None:
    async def work(database: Database) -> None:
        await database.execute("BEGIN")
        assert await database.execute("INSERT INTO things VALUES ('a')") == "INSERT 0 1"
        assert await names(database) == ["a"]

    use(dsn, work, max_connections=1)


def test_a_database_that_comes_back_empty_is_migrated_again(postgres: Postgres, empty_dsn: str) -> None:
    name = empty_dsn.split("/")[3].split("?", maxsplit=1)[0]

    async def work(database: Database) -> None:
        await database.execute("INSERT INTO things VALUES ('a')")
        await asyncio.to_thread(
            postgres.execute, f"DROP DATABASE {name} WITH (FORCE)", f"CREATE DATABASE {name}"
        )
        await until("it is used again", lambda: answers(database))
        assert await names(database) == []

    use(empty_dsn, work)


def test_a_service_does_not_start_on_a_database_of_a_newer_release(dsn: str, tmp_path: Path) -> None:
    first = MIGRATIONS / "0001_messages.sql"
    (tmp_path / first.name).write_bytes(first.read_bytes())
    with pytest.raises(
        MigrationError, match=r"^0002_things.sql: was applied to the database and is not in this release"
    ):
        use(dsn, Database.ping, migrations=tmp_path)


def test_a_service_that_runs_goes_on_when_a_newer_release_migrates(
    postgres: Postgres, empty_dsn: str, tmp_path: Path
) -> None:
    first = MIGRATIONS / "0001_messages.sql"
    (tmp_path / first.name).write_bytes(first.read_bytes())

    async def work(old: Database) -> None:
        async with Database(empty_dsn, migrations=MIGRATIONS, name="newer") as new:
            assert await names(new) == []
        postgres.kill()
        with pytest.raises(DatabaseUnavailable):
            await old.ping()
        postgres.start()
        await old.ping()

    use(empty_dsn, work, migrations=tmp_path)


def test_a_database_that_does_not_fit_when_it_comes_back_is_an_outage_with_its_reason(
    postgres: Postgres, dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in MIGRATIONS.glob("*.sql"):
        (tmp_path / file.name).write_text(file.read_text() + "-- changed\n")
    postgres.kill()

    async def work(database: Database) -> None:
        postgres.start()
        for _ in range(3):
            with pytest.raises(
                DatabaseUnavailable, match=r"^0001_messages.sql: was changed after it had been applied"
            ):
                await database.ping()

    use(dsn, work, migrations=tmp_path)
    assert events(caplog) == OUTAGE[:1]


def test_a_migration_that_takes_longer_than_the_deadline_goes_on(empty_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "0001_slow.sql").write_text("CREATE TABLE slow (); SELECT pg_sleep(1);")

    async def work(database: Database) -> None:
        with pytest.raises(DatabaseUnavailable, match="not connected and migrated within 0.3 s"):
            await database.ping()
        await until("it is migrated", lambda: answers(database))
        assert await database.fetchval("SELECT count(*) FROM slow") == 0

    use(empty_dsn, work, migrations=tmp_path, timeout=0.3)


def test_one_who_leaves_does_not_take_the_migration_along(empty_dsn: str) -> None:
    async def work(database: Database) -> None:
        leaving = asyncio.create_task(database.migrate())
        staying = asyncio.create_task(database.migrate())
        await asyncio.sleep(0)
        leaving.cancel()
        assert len(await staying) == 2

    async def go() -> None:
        database = Database(empty_dsn, migrations=MIGRATIONS, name="postgres-test")
        try:
            await work(database)
        finally:
            await database.close()

    asyncio.run(go())


def test_a_closed_database_says_so(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work(database: Database) -> None:
        await database.ping()
        async with database.transaction() as connection:
            await database.close()
            assert await connection.fetchval("SELECT 1") == 1
        with pytest.raises(DatabaseUnavailable, match="the client was closed"):
            await database.ping()
        with pytest.raises(DatabaseUnavailable, match="the client was closed"):
            async with database.session():
                pass

    use(dsn, work)
    assert events(caplog) == []


def test_closing_leaves_no_connection(dsn: str) -> None:
    async def work(observer: Database) -> None:
        async with Database(dsn, migrations=None, name="postgres-test") as database:
            await asyncio.gather(*(database.execute("SELECT pg_sleep(0.01)") for _ in range(4)))
            assert await sessions(observer) == 4
        await until("its connections are gone", lambda: no(sessions(observer)))

    use(dsn, work)
