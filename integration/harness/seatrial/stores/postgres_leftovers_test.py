"""The end of a test: what it left is told, and gone."""

import contextlib
import os
import signal
from collections.abc import Callable

import psycopg
import pytest

from seatrial.stores.conftest import GAMES, names, prepare
from seatrial.stores.postgres_server import PostgresServer
from seatrial.stores.postgres_template import Template
from seatrial.stores.store import LeftBehind, StoreNotEmpty
from seatrial.worker import Worker


def test_databases_are_dropped_and_at_most_one_copy_waits(server: PostgresServer) -> None:
    template = Template("dropped", "1")
    made = [server.database(template).name for _ in range(3)]
    assert server.finish() == []
    left = {str(name) for name in names(server) if str(name).startswith("dropped_")}
    assert len(left) <= 1
    assert left.isdisjoint(made)


def test_a_copy_made_ahead_is_handed_out_once_and_as_fresh(server: PostgresServer) -> None:
    template = Template("ahead", "1", prepare)
    seen = set()
    for _ in range(5):
        database = server.database(template)
        assert database.fetch("SELECT * FROM games") == []
        database.execute("INSERT INTO games (name) VALUES ('chess')")
        seen.add(database.name)
    assert len(seen) == 5


def hold_transaction(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    connection.execute("BEGIN")


def hold_lock(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    connection.execute("SELECT pg_advisory_lock(1), pg_advisory_lock(2)")


@pytest.mark.parametrize(
    ("hold", "told"),
    [
        (None, "left a connection open"),
        (hold_transaction, "left a transaction open"),
        (hold_lock, "left 2 advisory locks held"),
    ],
)
def test_what_a_test_left_open_is_red_and_gone(
    server: PostgresServer,
    hold: "Callable[[psycopg.Connection[tuple[object, ...]]], None] | None",
    told: str,
) -> None:
    database = server.database(GAMES)
    with psycopg.connect(database.dsn, autocommit=True, application_name="forgotten") as left:
        if hold is not None:
            hold(left)
        (problem,) = server.finish()
        assert isinstance(problem, LeftBehind)
        assert told in str(problem)
        assert "'forgotten'" in str(problem)
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
    assert database.name not in names(server)


@pytest.mark.parametrize(("hold", "told"), [(hold_transaction, "transaction"), (hold_lock, "advisory")])
def test_a_connection_of_the_harness_must_not_hold_anything_either(
    server: PostgresServer, hold: "Callable[[psycopg.Connection[tuple[object, ...]]], None]", told: str
) -> None:
    connection = server.database(GAMES).connect()
    hold(connection)
    (problem,) = server.finish()
    assert told in str(problem)
    assert connection.closed


def test_a_prepared_transaction_is_red_and_gone(server: PostgresServer) -> None:
    database = server.database(GAMES)
    with database.connect() as connection:
        connection.execute("BEGIN; INSERT INTO games (name) VALUES ('go'); PREPARE TRANSACTION 'half'")
    (problem,) = server.finish()
    assert "prepared transaction 'half'" in str(problem)
    assert "ROLLBACK PREPARED" in str(problem)
    assert database.name not in names(server)


def test_a_client_that_was_killed_is_nobodys_fault(server: PostgresServer) -> None:
    database = server.database(GAMES)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            connection = psycopg.connect(database.dsn, autocommit=True)
            os.write(writer, b"x")
            connection.execute("SELECT pg_sleep(1000)")
        os._exit(1)
    assert os.read(reader, 1) == b"x"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.close(writer)
    assert server.finish() == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER ROLE service SET work_mem = '1MB'", "there is a setting of role service"),
        ("ALTER ROLE service PASSWORD 'guessed'", "role service is another one"),
    ],
)
def test_a_server_that_a_test_changed_for_others_is_not_used_again(statement: str, told: str) -> None:
    worker = Worker()
    try:
        first, _ = worker.postgres()
        first.database(GAMES).execute(statement.encode())
        (problem,) = worker.postgres_problems()
        assert isinstance(problem, StoreNotEmpty)
        assert told in str(problem)
        second, _ = worker.postgres()
        assert second is not first
        second.database(GAMES)
        assert worker.postgres_problems() == []
        assert worker.postgres()[0] is second
    finally:
        assert worker.close() == []
