"""The reset: whatever a test changed is put back, or it is red."""

from collections.abc import Callable

import psycopg
import pytest

from seatrial.stores.conftest import GAMES, as_admin
from seatrial.stores.postgres_database import Database
from seatrial.stores.postgres_server import PostgresServer
from seatrial.stores.postgres_template import Template
from seatrial.stores.store import LeftBehind, StoreNotEmpty


def leave_rows(database: Database) -> None:
    database.execute("INSERT INTO games (name) VALUES ('go')")
    database.execute("INSERT INTO members VALUES (1, 'ada')")


def leave_other_seeds(database: Database) -> None:
    database.execute(
        "UPDATE versions SET label = 'x' WHERE version = 2; DELETE FROM versions WHERE version = 1"
    )


def leave_sequences(database: Database) -> None:
    database.execute("SELECT nextval('tickets'), nextval('games_id_seq')")


def leave_truncated(database: Database) -> None:
    database.execute("TRUNCATE games, members, versions")


def leave_statistics(database: Database) -> None:
    database.execute("ANALYZE")


@pytest.mark.parametrize(
    "leave",
    [leave_rows, leave_other_seeds, leave_sequences, leave_truncated, leave_statistics],
    ids=lambda leave: leave.__name__.removeprefix("leave_"),
)
def test_reset_makes_it_as_the_template(server: PostgresServer, leave: Callable[[Database], None]) -> None:
    def state() -> object:
        with database.connect() as connection:
            tables = ("versions", "games", "members", "names", "tickets", "games_id_seq")
            return {
                table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608
                if "_" not in table and table != "tickets"
                else connection.execute(f"SELECT last_value, is_called FROM {table}").fetchall()  # noqa: S608
                for table in tables
            }

    database = server.database(GAMES)
    fresh = state()
    for _ in range(2):
        leave(database)
        assert state() != fresh or leave is leave_statistics
        assert database.reset() == ()
        assert state() == fresh


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("CREATE TABLE more (n int)", "pg_class has more in addition"),
        ("DROP TABLE members", "pg_class lacks members"),
        ("ALTER TABLE games ADD COLUMN size int", "pg_attribute has size in addition"),
        ("ALTER TABLE games ALTER COLUMN name SET NOT NULL", "pg_attribute has another name"),
        ("DROP INDEX members_who", "pg_class lacks members_who"),
        ("CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2'", "pg_proc has another one"),
        ("INSERT INTO games (name) VALUES ('go'); REFRESH MATERIALIZED VIEW names", "pg_class has another names"),
        ("ALTER SEQUENCE tickets INCREMENT 2", "pg_sequence has another an entry"),
        ("GRANT SELECT ON games TO PUBLIC", "pg_class has another games"),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC", "pg_namespace has public in addition"),
        ("COMMENT ON TABLE games IS 'fun'", "pg_description has an entry in addition"),
        ("CREATE TRIGGER t BEFORE UPDATE ON games FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
         "pg_trigger has t in addition"),
        ("SELECT lo_create(0)", "pg_largeobject_metadata has an entry in addition"),
    ],
)  # fmt: skip
def test_a_changed_catalogue_is_red(server: PostgresServer, change: str, told: str) -> None:
    database = server.database(GAMES)
    database.execute(change.encode())
    with pytest.raises(StoreNotEmpty) as caught:
        database.reset()
    assert told in str(caught.value)
    assert "take a new database" in str(caught.value)


def test_an_extension_that_is_gone_is_red(server: PostgresServer) -> None:
    database = server.database(GAMES)
    with as_admin(server, database.name) as admin:
        admin.execute("DROP EXTENSION plpgsql")
    with pytest.raises(StoreNotEmpty, match="its catalogue has [0-9]+ entries instead of [0-9]+"):
        database.reset()


def test_a_row_that_comes_back_by_itself_is_red(server: PostgresServer) -> None:
    def prepare_haunted(dsn: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE ghosts (n int); CREATE TABLE other (n int);"
                "CREATE RULE haunt AS ON DELETE TO other DO ALSO INSERT INTO ghosts VALUES (1);"
                "ALTER TABLE other ENABLE ALWAYS RULE haunt"
            )

    database = server.database(Template("haunted", "1", prepare_haunted))
    database.execute("INSERT INTO other VALUES (1)")
    with pytest.raises(StoreNotEmpty, match="public.ghosts has 1 rows instead of 0"):
        database.reset()


def test_reset_cuts_off_and_reports_whoever_was_left_connected(server: PostgresServer) -> None:
    database = server.database(GAMES)
    mine = database.connect()
    with psycopg.connect(database.dsn, application_name="stray") as stray:
        (report,) = database.reset()
        assert "stray" in report
        with pytest.raises(psycopg.OperationalError):
            stray.execute("SELECT 1")
    assert mine.closed
    (told,) = shared_finish(server)
    assert isinstance(told, LeftBehind)
    assert "stray" in str(told)


def shared_finish(server: PostgresServer) -> list[Exception]:
    return list(server.finish())
