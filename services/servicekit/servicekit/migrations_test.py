"""Migrations on a real server: what is applied, what is refused, and who waits for whom."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from servicekit.migrations import LOCK, MigrationError, apply, load
from servicekit.postgres import Connection, Database, DatabaseUnavailable
from servicekit.testing.postgres import Postgres
from servicekit.testing.waiting import until

FIRST = "CREATE TABLE a (x integer);\nINSERT INTO a VALUES (1);\n"
SECOND = "CREATE TABLE b (y integer);\n"


def write(folder: Path, **files: str) -> Path:
    """Write ``_0001_first="..."`` as 0001_first.sql."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name[1:]}.sql").write_text(text)
    return folder


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Connection]:
    async with (
        Database(dsn, migrations=None, name="migrations-test") as database,
        database.session() as connection,
    ):
        yield connection


def migrate(dsn: str, folder: Path, *, allow_newer: bool = False) -> list[str]:
    async def go() -> list[str]:
        async with connected(dsn) as connection:
            return await apply(connection, load(folder), allow_newer=allow_newer)

    return asyncio.run(go())


def select(dsn: str, sql: str) -> list[tuple[object, ...]]:
    async def go() -> list[tuple[object, ...]]:
        async with connected(dsn) as connection:
            return [tuple(row.values()) for row in await connection.fetch(sql)]

    return asyncio.run(go())


def test_files_are_applied_in_their_order_and_once(empty_dsn: str, tmp_path: Path) -> None:
    folder = write(tmp_path, _0001_first=FIRST)
    assert migrate(empty_dsn, folder) == ["0001_first.sql"]
    write(tmp_path, _0002_second="INSERT INTO a VALUES (2); CREATE TABLE b ();", _0003_third="DROP TABLE b;")
    assert migrate(empty_dsn, folder) == ["0002_second.sql", "0003_third.sql"]
    assert migrate(empty_dsn, folder) == []
    assert select(empty_dsn, "SELECT x FROM a ORDER BY x") == [(1,), (2,)]
    assert select(empty_dsn, "SELECT version, name FROM schema_migrations ORDER BY version") == [
        (1, "0001_first.sql"),
        (2, "0002_second.sql"),
        (3, "0003_third.sql"),
    ]


def test_a_folder_without_files_is_a_database_without_tables(empty_dsn: str, tmp_path: Path) -> None:
    assert migrate(empty_dsn, tmp_path) == []


def test_a_migration_that_fails_is_named_with_its_line_and_leaves_nothing(
    empty_dsn: str, tmp_path: Path
) -> None:
    folder = write(
        tmp_path, _0001_first=FIRST, _0002_second=SECOND + "\nCREATE TABEL c ();", _0003_third="SELECT 1"
    )
    with pytest.raises(
        MigrationError,
        match=r'^0002_second.sql, line 3: syntax error at or near "TABEL" \(nothing of it was applied',
    ):
        migrate(empty_dsn, folder)
    assert select(empty_dsn, "SELECT version FROM schema_migrations") == [(1,)]
    assert select(empty_dsn, "SELECT to_regclass('b')::text") == [(None,)]
    write(tmp_path, _0002_second=SECOND)
    assert migrate(empty_dsn, folder) == ["0002_second.sql", "0003_third.sql"]


def test_a_migration_that_breaks_a_rule_of_the_data_is_named(empty_dsn: str, tmp_path: Path) -> None:
    folder = write(tmp_path, _0001_first=FIRST, _0002_second="ALTER TABLE a ADD CHECK (x > 1);")
    with pytest.raises(
        MigrationError, match=r"^0002_second.sql: check constraint .* is violated by some row"
    ):
        migrate(empty_dsn, folder)


def test_a_file_that_was_changed_after_it_was_applied_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    folder = write(tmp_path, _0001_first=FIRST)
    migrate(empty_dsn, folder)
    write(tmp_path, _0001_first=FIRST + "-- better\n", _0002_second=SECOND)
    with pytest.raises(
        MigrationError, match=r"^0001_first.sql: was changed after it had been applied \(restore it"
    ):
        migrate(empty_dsn, folder)
    assert select(empty_dsn, "SELECT to_regclass('b')::text") == [(None,)]


def test_a_file_that_is_missing_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    folder = write(tmp_path, _0001_first=FIRST)
    migrate(empty_dsn, folder)
    (folder / "0001_first.sql").rename(folder / "0001_other.sql")
    with pytest.raises(
        MigrationError,
        match=r"^0001_first.sql: was applied to the database and is missing here, where 0001_other.sql",
    ):
        migrate(empty_dsn, folder)


def test_a_database_of_a_newer_release_is_refused_unless_it_is_allowed(
    empty_dsn: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, _0001_first=FIRST, _0002_second=SECOND)
    migrate(empty_dsn, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(
        MigrationError, match=r"^0002_second.sql: was applied to the database and is not in this release"
    ):
        migrate(empty_dsn, folder)
    assert migrate(empty_dsn, folder, allow_newer=True) == []


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"_1_first": FIRST}, "1_first.sql: is not called like 0001_what_it_does.sql"),
        ({"_0001_First": FIRST}, "0001_First.sql: is not called like"),
        ({"_0002_second": SECOND}, "0002_second.sql: comes where 0001 is missing"),
        ({"_0001_a": FIRST, "_0001_b": SECOND}, "0001_b.sql: has a number that is taken"),
        ({"_0001_a": FIRST, "_0003_b": SECOND}, "0003_b.sql: comes where 0002 is missing"),
        ({"_0001_a": FIRST + "COMMIT;\nSELECT 1;"}, "0001_a.sql, line 3: COMMIT (leave it out"),
        ({"_0001_a": "  begin transaction;"}, "0001_a.sql, line 1: BEGIN (leave it out"),
    ],
)
def test_files_that_are_wrong_by_themselves(tmp_path: Path, files: dict[str, str], reason: str) -> None:
    with pytest.raises(MigrationError) as error:
        load(write(tmp_path, **files))
    assert str(error.value).startswith(reason)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_bytes(b"\xff")
    with pytest.raises(MigrationError, match=r"^0001_a.sql: is not UTF-8 text"):
        load(tmp_path)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"cannot be read: No such file or directory"):
        load(tmp_path / "none")


def test_plpgsql_may_say_begin(empty_dsn: str, tmp_path: Path) -> None:
    body = "DO $$\nBEGIN\n  CREATE TABLE a ();\nEND;\n$$;"
    assert migrate(empty_dsn, write(tmp_path, _0001_a=body)) == ["0001_a.sql"]


def test_other_files_are_no_migrations(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "README.md").touch()
    assert load(tmp_path) == []


def test_instances_that_start_at_the_same_time_apply_each_file_once(empty_dsn: str, tmp_path: Path) -> None:
    # A second CREATE TABLE would fail.
    folder = write(tmp_path, _0001_first=FIRST, _0002_second=SECOND)

    async def instance() -> list[str]:
        async with connected(empty_dsn) as connection:
            return await apply(connection, load(folder))

    async def go() -> list[list[str]]:
        return await asyncio.gather(*(instance() for _ in range(8)))

    assert sorted(asyncio.run(go())) == [[]] * 7 + [["0001_first.sql", "0002_second.sql"]]


def test_one_waits_for_another_that_is_migrating(empty_dsn: str, tmp_path: Path) -> None:
    folder = write(tmp_path, _0001_first=FIRST)

    async def go() -> None:
        async with connected(empty_dsn) as other, connected(empty_dsn) as connection:
            await other.execute("SELECT pg_advisory_lock($1)", LOCK)
            waiting = asyncio.create_task(apply(connection, load(folder)))
            await until(
                "it waits for the lock",
                lambda: other.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                ),
            )
            assert await other.fetchval("SELECT to_regclass('a')::text") is None
            await other.execute("SELECT pg_advisory_unlock($1)", LOCK)
            assert await waiting == ["0001_first.sql"]

    asyncio.run(go())


def test_a_server_that_dies_in_a_migration_has_none_of_it(
    postgres: Postgres, empty_dsn: str, tmp_path: Path
) -> None:
    folder = write(tmp_path, _0001_first=FIRST, _0002_second=SECOND + "SELECT pg_sleep(600);")

    async def go() -> None:
        async with connected(empty_dsn) as other, connected(empty_dsn) as connection:
            migrating = asyncio.create_task(apply(connection, load(folder)))
            await until(
                "the second migration sleeps",
                lambda: other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
            )
            postgres.kill()
            with pytest.raises(DatabaseUnavailable):
                await migrating

    asyncio.run(go())
    postgres.start()
    assert select(empty_dsn, "SELECT version FROM schema_migrations") == [(1,)]
    write(tmp_path, _0002_second=SECOND)
    assert migrate(empty_dsn, folder) == ["0002_second.sql"]


def test_a_connection_that_has_migrated_has_its_limit_of_time_again(empty_dsn: str, tmp_path: Path) -> None:
    folder = write(tmp_path, _0001_first=FIRST)

    async def go() -> tuple[str, str]:
        async with connected(empty_dsn) as connection:
            before: str = await connection.fetchval("SHOW statement_timeout")
            await apply(connection, load(folder))
            return before, await connection.fetchval("SHOW statement_timeout")

    before, after = asyncio.run(go())
    assert before == after
    assert before != "0"


def test_a_plain_connection_of_asyncpg_will_do(empty_dsn: str, tmp_path: Path) -> None:
    folder = write(tmp_path, _0001_first=FIRST)

    async def go() -> list[str]:
        connection = await asyncpg.connect(empty_dsn)
        try:
            return await apply(connection, load(folder))
        finally:
            await connection.close()

    assert asyncio.run(go()) == ["0001_first.sql"]
