"""The database, on a real server, through everything that can happen to it."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from servicekit.conftest import MIGRATIONS
from servicekit.health import Health
from servicekit.metrics import Registry
from servicekit.postgres import Connection, Database, DatabaseUnavailable
from servicekit.testing.postgres import Postgres
from servicekit.testing.waiting import until

OUTAGE = ["dependency_unavailable", "dependency_available"]


def use(
    dsn: str,
    work: Callable[[Database], Awaitable[None]],
    *,
    migrations: Path | None = MIGRATIONS,
    **options: Any,
) -> None:
    """Work with a database that tells a health.Dependency what it sees."""

    async def go() -> None:
        database = Database(dsn, migrations=migrations, name="postgres-test", **options)
        database.watch(Health(Registry()).dependency("postgres", database.ping))
        async with database:
            await work(database)

    asyncio.run(go())


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.msg for record in caplog.records if record.name == "servicekit.health"]


@pytest.fixture(autouse=True)
def informed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def add(connection: Connection, name: str) -> None:
    await connection.execute("INSERT INTO things (name) VALUES ($1)", name)


async def names(database: Database) -> list[str]:
    return [row["name"] for row in await database.fetch("SELECT name FROM things ORDER BY name")]


async def sessions(database: Database) -> int:
    """Count the connections of this test's databases, but for the one that counts."""
    count: int = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'postgres-test' AND pid <> pg_backend_pid()"
    )
    return count


def test_single_statements(empty_dsn: str) -> None:
    async def work(database: Database) -> None:
        assert await database.execute("INSERT INTO things VALUES ($1, $2), ('b', 2)", "a", 1) == "INSERT 0 2"
        assert [tuple(row) for row in await database.fetch("SELECT * FROM things ORDER BY name")] == [
            ("a", 1),
            ("b", 2),
        ]
        row = await database.fetchrow("SELECT * FROM things WHERE amount = 2")
        assert row is not None
        assert row["name"] == "b"
        assert await database.fetchrow("SELECT * FROM things WHERE amount = 3") is None
        assert await database.fetchval("SELECT sum(amount) FROM things") == 3
        await database.ping()

    use(empty_dsn, work)


def test_a_transaction_is_committed_at_its_end_and_undone_by_an_exception(dsn: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as connection:
            await add(connection, "kept")
        with pytest.raises(KeyError):
            async with database.transaction() as connection:
                await add(connection, "undone")
                raise KeyError("a bug")
        assert await names(database) == ["kept"]

    use(dsn, work)


def test_errors_of_statements_are_those_of_asyncpg(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as connection:
            await add(connection, "a")
            with pytest.raises(asyncpg.UniqueViolationError):
                async with connection.transaction():
                    await add(connection, "a")
            await add(connection, "b")
        assert await names(database) == ["a", "b"]
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await database.execute("SELEC")
        with pytest.raises(asyncpg.InterfaceError):
            await database.execute("SELECT $1::text", "one", "too many")
        with pytest.raises(asyncpg.DataError):
            await database.execute("SELECT $1::integer", "no number")

    use(dsn, work)
    assert events(caplog) == []


def test_a_commit_that_commits_nothing_is_an_error(dsn: str) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(RuntimeError, match="its error was swallowed"):
            async with database.transaction() as connection:
                await add(connection, "a")
                with pytest.raises(asyncpg.UniqueViolationError):
                    await add(connection, "a")
        assert await names(database) == []

    use(dsn, work)


def test_connections_are_used_again_and_never_more_than_allowed(dsn: str) -> None:
    async def work(database: Database) -> None:
        async def one(_: int) -> int:
            async with database.transaction() as connection:
                await connection.execute("SELECT pg_sleep(0.001)")
                pid: int = await connection.fetchval("SELECT pg_backend_pid()")
                return pid

        pids = await asyncio.gather(*(one(number) for number in range(50)))
        assert len(set(pids)) <= 3

    use(dsn, work, max_connections=3)


def test_who_finds_no_connection_in_time_is_told_so_and_it_is_no_outage(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(database: Database) -> None:
        async with database.transaction():
            with pytest.raises(DatabaseUnavailable, match="no connection was free within 0.2 s"):
                await database.ping()
        await database.ping()

    use(dsn, work, max_connections=1, timeout=0.2)
    assert events(caplog) == []


def test_a_killed_server_is_an_outage_that_is_said_once_and_heals(
    postgres: Postgres, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(database: Database) -> None:
        await database.ping()
        postgres.kill()
        for _ in range(5):
            with pytest.raises(DatabaseUnavailable):
                await database.ping()
            with pytest.raises(DatabaseUnavailable):
                async with database.transaction():
                    pass
        assert events(caplog) == OUTAGE[:1]
        postgres.start()
        await database.ping()

    use(dsn, work)
    assert events(caplog) == OUTAGE
    assert all(record.levelno < logging.ERROR for record in caplog.records)


def test_a_server_that_was_restarted_costs_no_transaction(postgres: Postgres, dsn: str) -> None:
    async def work(database: Database) -> None:
        async def one(number: int) -> None:
            async with database.transaction() as connection:
                await add(connection, str(number))

        await asyncio.gather(*(one(number) for number in range(3)))
        postgres.kill()
        postgres.start()
        # Nothing yields to the event loop before: it does not know that its connections are gone.
        await asyncio.gather(*(one(number) for number in range(3, 9)))
        assert len(await names(database)) == 9

    use(dsn, work)


def test_a_connection_that_the_server_ends_costs_no_transaction(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(database: Database) -> None:
        async with database.session() as other:
            for number in range(100):
                async with database.transaction() as connection:
                    await add(connection, str(number))
                    pid = await connection.fetchval("SELECT pg_backend_pid()")
                # Its last words may have been read, and its end not yet.
                await other.execute("SELECT pg_terminate_backend($1)", pid)
            async with database.transaction() as connection:
                assert await connection.fetchval("SELECT count(*) FROM things") == 100

    use(dsn, work)
    assert events(caplog) == []


def test_a_server_killed_in_a_transaction_has_none_of_it(postgres: Postgres, dsn: str) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as connection:
                await add(connection, "lost")
                postgres.kill()
                async with connection.transaction():
                    await add(connection, "lost as well")
        with pytest.raises(DatabaseUnavailable):
            await database.ping()
        postgres.start()
        assert await names(database) == []

    use(dsn, work)


def test_a_server_killed_before_the_commit_makes_the_commit_fail(postgres: Postgres, dsn: str) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as connection:
                await add(connection, "lost")
                postgres.kill()
        postgres.start()
        assert await names(database) == []

    use(dsn, work)


def test_an_exception_in_a_transaction_is_not_hidden_by_the_loss_of_the_server(
    postgres: Postgres, dsn: str
) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(KeyError):
            async with database.transaction() as connection, connection.transaction():
                postgres.kill()
                raise KeyError("a bug")

    use(dsn, work)


def test_a_server_that_hangs_is_given_up_after_the_deadline_and_heals(
    postgres: Postgres, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(database: Database) -> None:
        await database.ping()
        postgres.signal(signal.SIGSTOP)
        with pytest.raises(DatabaseUnavailable, match="no answer within 0.3 s"):
            await database.ping()
        with pytest.raises(DatabaseUnavailable, match="within 0.3 s"):
            await database.ping()
        assert events(caplog) == OUTAGE[:1]
        postgres.signal(signal.SIGCONT)
        await until("it answers", lambda: answers(database))

    use(dsn, work, timeout=0.3)
    assert events(caplog) == OUTAGE


async def answers(database: Database) -> bool:
    try:
        await database.ping()
    except DatabaseUnavailable:
        return False
    return True


def test_a_service_that_starts_before_its_database_migrates_it_later(
    postgres: Postgres, empty_dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    postgres.kill()

    async def work(database: Database) -> None:
        assert events(caplog) == OUTAGE[:1]
        postgres.start()
        assert await names(database) == []

    use(empty_dsn, work)
    assert events(caplog) == OUTAGE


@pytest.mark.parametrize("address", ["postgres@/nobody_made_it?", "nobody_made_it@/postgres?"])
def test_a_server_that_does_not_let_us_in_is_an_outage(
    postgres: Postgres, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(DatabaseUnavailable, match=r'"nobody_made_it" does not exist'):
            await database.ping()

    use(f"postgresql://{address}host={postgres.folder}&port={postgres.port}", work, migrations=None)
    assert events(caplog) == OUTAGE[:1]


def test_a_server_can_be_reached_by_its_port(postgres: Postgres, dsn: str) -> None:
    use(postgres.tcp_dsn(dsn.split("/")[3].split("?", maxsplit=1)[0]), Database.ping)


def test_a_host_that_nobody_knows_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(DatabaseUnavailable):
            await database.ping()

    use("postgresql://user@nobody.invalid/database", work)
    assert events(caplog) == OUTAGE[:1]


def test_waiting_for_a_lock_ends_at_the_deadline_and_is_no_outage(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(database: Database) -> None:
        await database.execute("INSERT INTO things VALUES ('a')")
        async with database.transaction() as holder:
            await holder.execute("UPDATE things SET amount = 1")
            async with database.transaction() as waiter:
                pid = await waiter.fetchval("SELECT pg_backend_pid()")
                with pytest.raises(DatabaseUnavailable, match="statement timeout"):
                    async with waiter.transaction():
                        await waiter.execute("UPDATE things SET amount = 2")
                assert await waiter.fetchval("SELECT pg_backend_pid()") == pid

    use(dsn, work, timeout=0.5)
    assert events(caplog) == []


def test_a_deadlock_is_worth_another_try_and_no_outage(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    async def work(database: Database) -> None:
        await database.execute("INSERT INTO things VALUES ('a'), ('b')")
        both = asyncio.Barrier(2)

        async def update(first: str, second: str) -> None:
            async with database.transaction() as connection:
                await connection.execute("SET LOCAL deadlock_timeout = '10ms'")
                await connection.execute("UPDATE things SET amount = amount + 1 WHERE name = $1", first)
                await both.wait()
                await connection.execute("UPDATE things SET amount = amount + 1 WHERE name = $1", second)

        outcomes = await asyncio.gather(update("a", "b"), update("b", "a"), return_exceptions=True)
        (loser,) = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(loser, DatabaseUnavailable)
        assert await database.fetchval("SELECT sum(amount) FROM things") == 2

    use(dsn, work)
    assert events(caplog) == []
