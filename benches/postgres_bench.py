"""What does a test pay for a database of its own: from the template, by a reset, and for the server itself?"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from seatrial import Environment, Template
from seatrial.processes.supervisor import Supervisor
from seatrial.stores.postgres_server import PostgresServer
from series import Target

Rounds = Callable[[int], Iterator[int]]
Clock = Callable[[], float]

TABLES: Final = 12
"""As many as a service with an outbox and an inbox has."""
QUESTION: Final = "a fresh PostgreSQL database"


def prepare(dsn: str) -> None:
    """Make a schema of the size that a service has, and the row of each migration."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE schema_migrations (version int PRIMARY KEY, name text)")
        connection.execute("INSERT INTO schema_migrations SELECT n, 'migration' FROM generate_series(1, 5) n")
        for number in range(TABLES):
            table = psycopg.sql.Identifier(f"table_{number}")
            connection.execute(
                psycopg.sql.SQL(
                    "CREATE TABLE {} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE,"
                    " at timestamptz DEFAULT now(), payload jsonb); CREATE INDEX ON {} (at, name)"
                ).format(table, table)
            )


SHOP: Final = Template("shop", "1", prepare)


@pytest.fixture(params=["copied when asked for", "copied ahead"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server that makes copies when they are asked for, and one that has the next one ready."""
    directory = Supervisor.current().temporary_directory("postgres-bench", scope="run")
    with PostgresServer(directory, ahead=request.param == "copied ahead") as started:
        yield started


def test_a_fresh_database(
    server: PostgresServer, request: pytest.FixtureRequest, record: Any, rounds: Rounds, clock: Clock
) -> None:
    """From the question for a database to having it, to its first answer, and its end: leftovers looked for, dropped.

    Between question and end a test boots a service: 100 ms pass in which a copy can be made ahead.
    """
    how = request.node.callspec.params["server"]
    samples: dict[str, list[float]] = {"had": [], "answered": [], "dropped": []}
    server.database(SHOP)
    server.finish()
    for _ in rounds(300):
        begin = clock()
        database = server.database(SHOP)
        samples["had"].append(clock() - begin)
        database.execute("INSERT INTO table_1 (name) VALUES ('chess')")
        samples["answered"].append(clock() - begin)
        database.execute("SELECT pg_sleep(0.1)")
        begin = clock()
        assert server.finish() == []
        samples["dropped"].append(clock() - begin)
    record(QUESTION, f"{how}: had", samples["had"], Target(p50=15))
    record(QUESTION, f"{how}: had and answered its first statement", samples["answered"])
    record("the end of a PostgreSQL database, leftovers looked for", how, samples["dropped"])


def test_a_reset_database(environment: Environment, record: Any, rounds: Rounds, clock: Clock) -> None:
    """Reset of a database with rows in three tables, and the proof."""
    database = environment.postgres.database(SHOP)
    database.reset()
    samples = []
    for index in rounds(300):
        for number in range(3):
            table = psycopg.sql.Identifier(f"table_{number}")
            insert = psycopg.sql.SQL("INSERT INTO {} (name) SELECT 'n' || n FROM generate_series(1, 100) n")
            database.execute(insert.format(table))
        begin = clock()
        assert database.reset() == ()
        samples.append(clock() - begin)
        assert index or database.value("SELECT count(*) FROM table_1") == 0
    record("PostgreSQL reset, proven as the template", "seatrial", samples, Target(p50=15))


def test_a_server(record: Any, rounds: Rounds, clock: Clock, tmp_path: Path) -> None:
    """Start of a server from the cached cluster until it answers, and its end with all that it had."""
    starts, ends = [], []
    for index in rounds(100):
        server = PostgresServer(tmp_path / str(index))
        begin = clock()
        server.start()
        starts.append(clock() - begin)
        begin = clock()
        server.close()
        ends.append(clock() - begin)
        assert server.problems() == ()
    record("a PostgreSQL server, cluster cached", "started", starts)
    record("a PostgreSQL server, cluster cached", "ended, and nothing left", ends)
