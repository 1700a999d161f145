"""The stores of unit tests: they serve, are fresh, and are gone with the tests."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from servicekit.conftest import MIGRATIONS, ROOT
from servicekit.migrations import MigrationError
from servicekit.testing import postgres as embedded
from servicekit.testing.postgres import Postgres, embedded_postgres, fresh_database
from servicekit.testing.valkey import embedded_valkey
from servicekit.testing.waiting import until, wait_until

#: A test process with both stores, which says where they are and waits.
HOLDER = """
import sys
from servicekit.testing.postgres import embedded_postgres
from servicekit.testing.valkey import embedded_valkey

with embedded_postgres() as postgres, embedded_valkey() as valkey:
    print(postgres.pid, valkey.pid, postgres.folder, flush=True)
    sys.stdin.read()
"""


def hold() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def alive(pid: int) -> bool:
    """Whether the process runs; one that waits for its parent to notice does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def held() -> Iterator[tuple["subprocess.Popen[str]", int, int, Path]]:
    process = hold()
    try:
        assert process.stdout is not None
        pid, other, folder = process.stdout.readline().split()
        yield process, int(pid), int(other), Path(folder)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def test_stores_are_gone_when_they_are_left(held: tuple["subprocess.Popen[str]", int, int, Path]) -> None:
    process, pid, other, folder = held
    assert alive(pid)
    assert alive(other)
    process.communicate("")
    assert process.returncode == 0
    assert not alive(pid)
    assert not alive(other)
    assert not folder.exists()


def test_stores_do_not_outlive_a_test_process_that_is_killed(
    held: tuple["subprocess.Popen[str]", int, int, Path],
) -> None:
    process, pid, other, folder = held
    process.kill()
    process.wait()
    wait_until("both are gone", lambda: not alive(pid) and not alive(other))
    assert folder.exists()
    # The next one sweeps what it left, and nothing else.
    with embedded_postgres() as server:
        assert not folder.exists()
        assert server.folder.exists()


def test_the_folder_of_a_living_test_process_stays(postgres: Postgres) -> None:
    with embedded_postgres():
        assert postgres.folder.exists()
    postgres.execute("SELECT 1")


def tables(dsn: str) -> set[str]:
    async def read() -> set[str]:
        connection = await asyncpg.connect(dsn)
        try:
            rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        finally:
            await connection.close()
        return {row["tablename"] for row in rows}

    return asyncio.run(read())


def test_databases_are_fresh_and_do_not_see_each_other(postgres: Postgres) -> None:
    with fresh_database(postgres, MIGRATIONS) as first, fresh_database(postgres, MIGRATIONS) as second:
        assert first != second
        assert tables(first) == {"inbox", "outbox", "schema_migrations", "things"}
        postgres.execute("DROP TABLE things", database=first.split("/")[3].split("?")[0])
        assert "things" in tables(second)
    with fresh_database(postgres, MIGRATIONS) as third:
        assert "things" in tables(third)
    with fresh_database(postgres, None) as fourth:
        assert tables(fourth) == set()


def test_a_database_is_dropped_though_somebody_is_connected(postgres: Postgres) -> None:
    async def go() -> None:
        connection = await asyncpg.connect(dsn)
        await asyncio.to_thread(database.__exit__, None, None, None)
        with pytest.raises(
            (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
        ):
            await connection.execute("SELECT 1")
        connection.terminate()

    database = fresh_database(postgres, None)
    dsn = database.__enter__()
    asyncio.run(go())


def test_migrations_that_fail_are_reported_and_leave_no_template(postgres: Postgres, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABEL a ();")
    for _ in range(2):
        with pytest.raises(MigrationError, match=r"0001_a.sql, line 1"), fresh_database(postgres, tmp_path):
            pass
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a ();")
    with fresh_database(postgres, tmp_path) as dsn:
        assert tables(dsn) == {"a", "schema_migrations"}


def test_committed_data_outlives_a_crash(postgres: Postgres) -> None:
    with fresh_database(postgres, MIGRATIONS) as dsn:
        name = dsn.split("/")[3].split("?")[0]
        postgres.execute("CREATE TABLE kept ()", database=name)
        postgres.kill()
        assert not postgres.running
        postgres.start()
        assert "kept" in tables(dsn)


def test_other_programs_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path / "none"))
    with (
        pytest.raises(AssertionError, match=r"PG_BIN names .*none, where there is no initdb"),
        embedded_postgres(),
    ):
        pass


def test_programs_in_a_private_folder_are_copied_for_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_open_to_all", lambda _: False)
    with embedded_postgres() as server:
        server.execute("SELECT 1")
        assert (server.folder / "programs").exists() is (os.geteuid() == 0)


def test_a_valkey_that_was_killed_starts_again_on_its_port() -> None:
    with embedded_valkey() as server:
        port = server.port
        server.signal(signal.SIGSTOP)
        server.signal(signal.SIGCONT)
        server.kill()
        server.start()
        assert server.port == port


def test_a_valkey_that_does_not_start_says_why() -> None:
    with (
        pytest.raises(AssertionError, match=r"(?s)Valkey did not start: .*no-such-option"),
        embedded_valkey("--no-such-option", "1"),
    ):
        pass


def test_waiting_in_vain_says_for_what_and_what_was_seen() -> None:
    with pytest.raises(AssertionError, match="not within 0.01 s: the sun; last seen: 0"):
        wait_until("the sun", lambda: 0, timeout=0.01)

    async def moon() -> list[str]:
        return []

    with pytest.raises(AssertionError, match=r"not within 0.01 s: the moon; last seen: \[\]"):
        asyncio.run(until("the moon", moon, timeout=0.01))


def test_waiting_gives_what_it_waited_for() -> None:
    values = iter([0, None, "dawn"])
    assert wait_until("dawn", lambda: next(values)) == "dawn"
