"""Templates: prepared once, sealed, and copied."""

from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from seatrial.builds.binary import Command
from seatrial.service import Service
from seatrial.stores.conftest import GAMES, names, prepare
from seatrial.stores.postgres_server import PostgresServer
from seatrial.stores.postgres_session import of_database
from seatrial.stores.postgres_template import Template
from seatrial.stores.store import StoreError


def test_databases_of_a_template_are_equal_and_apart(server: PostgresServer) -> None:
    one, two = server.database(GAMES), server.database(GAMES)
    one.execute("INSERT INTO games (name) VALUES (%s)", "chess")
    assert one.fetch("SELECT id, name, doubled FROM games") == [
        {"id": 1, "name": "chess", "doubled": "chesschess"}
    ]
    assert two.fetch("SELECT * FROM games") == []
    assert two.value("SELECT count(*) FROM versions") == 2
    with two.connect() as connection:
        assert connection.execute("SELECT one()").fetchone() == (1,)
    with pytest.raises(StoreError, match="answered 2 rows"):
        one.value("SELECT version FROM versions")


def test_a_template_is_prepared_once_for_each_server(server: PostgresServer) -> None:
    calls: list[str] = []
    template = Template("once", "1", calls.append)
    for _ in range(3):
        server.database(template)
    assert len(calls) == 1
    server.database(Template("once", "2", calls.append))
    assert len(calls) == 2


def test_a_template_is_sealed(server: PostgresServer) -> None:
    database = server.database(GAMES)
    with pytest.raises(psycopg.OperationalError, match="not currently accepting connections"):
        psycopg.connect(of_database(database.dsn, GAMES.database))
    with pytest.raises(errors.InsufficientPrivilege):
        database.execute(psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(
            psycopg.sql.Identifier(GAMES.database)))  # fmt: skip


def test_a_template_that_cannot_be_prepared_leaves_nothing(server: PostgresServer) -> None:
    def fail(dsn: str) -> None:
        prepare(dsn)
        raise StoreError("no ink")

    before = names(server)
    with pytest.raises(StoreError, match="no ink"):
        server.database(Template("bad", "1", fail))
    assert names(server) == before


def test_whoever_prepares_a_template_must_leave_it(server: PostgresServer) -> None:
    kept: list[psycopg.Connection[tuple[object, ...]]] = []
    with pytest.raises(StoreError, match=r"left a connection open .*close it"):
        server.database(Template("held", "1", lambda dsn: kept.append(psycopg.connect(dsn, autocommit=True))))
    kept[0].close()


def test_numbered_files_are_a_template(server: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (n int); INSERT INTO a VALUES (1)")
    (tmp_path / "0002_b.sql").write_text("INSERT INTO a VALUES (2)")
    (tmp_path / "0010_c.sql").write_text("UPDATE a SET n = n * 10")
    template = Template.from_sql(tmp_path, name="numbered")
    assert server.database(template).value("SELECT sum(n) FROM a") == 30
    (tmp_path / "0010_c.sql").write_text("UPDATE a SET n = n * 100")
    assert server.database(Template.from_sql(tmp_path, name="numbered")).value("SELECT sum(n) FROM a") == 300


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no numbered .sql files in"),
        ({"a.sql": ""}, "a.sql has no number"),
        ({"1_a.sql": "", "01_b.sql": ""}, "have one number"),
        (
            {"1.sql": "SELECT 1;\nSELEC 2;"},
            r'1\.sql failed in line 2: syntax error at or near "SELEC"',
        ),
        ({"1.sql": "CREATE TABLE a (n int); SELECT 1/0"}, r"1\.sql failed: division by zero"),
    ],
)
def test_files_that_are_no_template_are_named(
    server: PostgresServer, tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(StoreError, match=reason):
        server.database(Template.from_sql(tmp_path, name="files"))


def migrating(script: str) -> Service:
    return Service(
        name="Shop-1",
        binary=Command("/bin/sh", "-c", script),
        log_format="plain",
        environment={"COLOUR": "red"},
    )


def test_a_command_of_a_service_makes_a_template(server: PostgresServer, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    service = migrating(f'echo "$0 $COLOUR $SHOP_DSN" >> {seen}')
    template = Template.from_command(service, ("migrate",), dsn_variable="SHOP_DSN")
    assert template.name == "shop_1"
    server.database(template)
    server.database(template)
    (line,) = seen.read_text().splitlines()
    assert line.startswith("migrate red postgresql://service:")
    assert line.endswith(f"@{server.address}/{template.database}")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo no paper; exit 3", "exit code 3.*no paper"),
        ("echo ERROR: smudged", "logged what the test did not allow"),
    ],
)
def test_a_command_that_fails_is_told(server: PostgresServer, script: str, reason: str) -> None:
    with pytest.raises(StoreError, match=f"(?s)template shop_1: .*{reason}"):
        server.database(Template.from_command(migrating(script), dsn_variable="SHOP_DSN"))


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a" * 21])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(StoreError, match="a name is a lower case letter"):
        Template(name)
