"""What the tests of the PostgreSQL store share: servers, and a template with a little of everything."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from seatrial.stores.postgres_server import PostgresServer
from seatrial.stores.postgres_session import of_database
from seatrial.stores.postgres_template import Template

SCHEMA = """
CREATE TABLE versions (version int PRIMARY KEY, label text);
INSERT INTO versions VALUES (1, 'first'), (2, NULL);
CREATE TABLE games (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, doubled text
    GENERATED ALWAYS AS (name || name) STORED);
CREATE TABLE members (game bigint REFERENCES games, who text);
CREATE INDEX members_who ON members (who);
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE SEQUENCE tickets START 7;
CREATE MATERIALIZED VIEW names AS SELECT name FROM games;
"""


def prepare(dsn: str) -> None:
    """Make the schema."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SCHEMA)


GAMES = Template("games", SCHEMA, prepare)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One server for a module."""
    with PostgresServer(tmp_path_factory.mktemp("postgres"), ahead=True) as server:
        yield server
    assert server.problems() == ()


@pytest.fixture
def server(shared: PostgresServer) -> Iterator[PostgresServer]:
    """The shared server, on which each test leaves nothing."""
    yield shared
    assert shared.finish() == []


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PostgresServer]:
    """A server that may be killed."""
    with PostgresServer(tmp_path, name="own", killable=True) as server:
        yield server


def as_admin(server: PostgresServer, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
    """A superuser's connection."""
    return psycopg.connect(of_database(server.admin_dsn, database), autocommit=True)


def names(server: PostgresServer) -> set[object]:
    """Of its databases."""
    with as_admin(server) as admin:
        return {name for (name,) in admin.execute("SELECT datname FROM pg_database").fetchall()}
