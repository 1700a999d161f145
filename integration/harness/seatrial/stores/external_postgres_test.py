"""A server that is not ours: only databases of this run come and go, and whatever else is there stays."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from seatrial.processes.listener import Address
from seatrial.stores.conftest import GAMES, as_admin, names
from seatrial.stores.external_postgres import ExternalPostgres, parse
from seatrial.stores.postgres import worker_postgres
from seatrial.stores.postgres_server import PostgresServer
from seatrial.stores.postgres_template import Template
from seatrial.stores.store import LeftBehind, StoreError, StoreNotEmpty
from seatrial.worker import Worker


@pytest.fixture
def superuser(shared: PostgresServer) -> str:
    """A DSN of a superuser, over TCP."""
    password = urlsplit(shared.admin_dsn).password
    return f"postgresql://seatrial:{password}@{shared.address}/postgres"


@pytest.fixture
def creator(shared: PostgresServer) -> Iterator[str]:
    """A DSN of a role that may create databases, and nothing else."""
    with as_admin(shared) as admin:
        admin.execute("CREATE ROLE creator LOGIN CREATEDB PASSWORD 'secret'")
        yield f"postgresql://creator:secret@{shared.address}/postgres"
        admin.execute("DROP ROLE creator")


@pytest.fixture(params=["superuser", "creator"])
def dsn(request: pytest.FixtureRequest) -> str:
    """Of each of them in turn."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def before(shared: PostgresServer) -> Iterator[set[object]]:
    """The databases that are there; a test leaves them, and no other."""
    found = names(shared)
    yield found
    assert names(shared) == found


def test_places() -> None:
    assert parse("postgresql://u:p@db.test/x") == Address("db.test", 5432)
    assert parse("postgres://u@[::1]:7000/x?sslmode=require") == Address("::1", 7000)


@pytest.mark.parametrize(
    "dsn",
    ["", "h:1", "redis://u:hunter2@h/x", "postgresql://h/x", "postgresql://u:hunter2@h", "postgresql://u:hunter2@h:x/d",
     "postgresql://u:hunter2@[::1/d"],
)  # fmt: skip
def test_no_places(dsn: str) -> None:
    with pytest.raises(StoreError, match="INTEGRATION_REAL_POSTGRES_DSN") as caught:
        parse(dsn)
    assert "hunter2" not in str(caught.value)


def test_its_databases_are_this_runs_alone(shared: PostgresServer, dsn: str, before: set[object]) -> None:
    with as_admin(shared) as admin:
        # Names as ours could be, of somebody else's
        admin.execute("CREATE DATABASE seatrial_1_games_1")
    try:
        with ExternalPostgres(dsn) as external:
            assert (external.process, external.log) == (None, None)
            database = external.database(GAMES)
            assert database.value("SELECT count(*) FROM versions") == 2
            external.database(GAMES)
            made = {str(name) for name in names(shared) - before} - {"seatrial_1_games_1"}
            prefix = database.name.removesuffix("games_1")
            assert len(made) == 3
            assert all(name.startswith(prefix) for name in made)
            assert external.finish() == []
            assert names(shared) - before == {"seatrial_1_games_1", f"{prefix}{GAMES.database}"}
            external.database(GAMES)
        assert names(shared) - before == {"seatrial_1_games_1"}
    finally:
        with as_admin(shared) as admin:
            admin.execute("DROP DATABASE seatrial_1_games_1")


def test_two_runs_do_not_meet(dsn: str, before: set[object]) -> None:
    assert before
    with ExternalPostgres(dsn) as one, ExternalPostgres(dsn) as two:
        assert one.database(GAMES).name != two.database(GAMES).name
        one.close()
        assert two.database(GAMES).value("SELECT count(*) FROM versions") == 2


def test_resets_and_leftovers_are_as_strict(dsn: str, before: set[object]) -> None:
    assert before
    with ExternalPostgres(dsn) as external:
        database = external.database(GAMES)
        database.execute("INSERT INTO games (name) VALUES ('go'); DELETE FROM versions")
        assert database.reset() == ()
        assert database.value("SELECT count(*) FROM games") == 0
        assert database.value("SELECT count(*) FROM versions") == 2
        assert database.execute("INSERT INTO games (name) VALUES ('chess')") == 1
        assert database.value("SELECT id FROM games") == 1
        with psycopg.connect(database.dsn, application_name="forgotten"):
            (problem,) = external.finish()
        assert isinstance(problem, LeftBehind)
        assert "'forgotten'" in str(problem)


def test_the_longest_name_fits(shared: PostgresServer, superuser: str) -> None:
    before = names(shared)
    with ExternalPostgres(superuser) as external:
        longest = Template("a" * 20)
        database = external.database(longest)
        assert {database.name, f"{external._prefix}{longest.database}"} == names(shared) - before
    assert names(shared) == before


def test_a_role_that_may_not_create_databases_is_told(shared: PostgresServer) -> None:
    dsn = shared.database().dsn
    with pytest.raises(
        StoreError, match="service may not create databases; run: ALTER ROLE service CREATEDB"
    ):
        ExternalPostgres(dsn).start()
    assert shared.finish() == []


def test_nobody_there_is_told_without_the_password() -> None:
    with pytest.raises(StoreError, match="at 127.0.0.1:1 cannot be used: ") as caught:
        ExternalPostgres("postgresql://u:hunter2@127.0.0.1:1/x").start()
    assert "hunter2" not in str(caught.value)


def test_one_that_is_gone_is_red(own: PostgresServer) -> None:
    password = urlsplit(own.admin_dsn).password
    with ExternalPostgres(f"postgresql://seatrial:{password}@{own.address}/postgres") as external:
        database = external.database(GAMES)
        own.stop()
        with pytest.raises(StoreNotEmpty, match="cannot be reset"):
            database.reset()
        (problem,) = external.finish()
        assert isinstance(problem, StoreNotEmpty)


def test_a_worker_uses_the_one_that_is_named(
    shared: PostgresServer, superuser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(shared)
    monkeypatch.setenv("INTEGRATION_REAL_POSTGRES_DSN", superuser)
    with contextlib.closing(worker_postgres(tmp_path)) as server:
        assert isinstance(server, ExternalPostgres)
    worker = Worker()
    external, mark = worker.postgres()
    external.database(GAMES)
    assert mark is None
    assert worker.postgres_problems() == []
    assert worker.postgres()[0] is external
    assert worker.close() == []
    assert names(shared) == before


def test_a_second_start_and_use_before_the_first_are_errors(superuser: str) -> None:
    with pytest.raises(StoreError, match="call start"):
        ExternalPostgres(superuser).database()
    with ExternalPostgres(superuser) as external, pytest.raises(StoreError, match="started already"):
        external.start()
