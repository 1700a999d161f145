"""Every promise of the shared stores, broken by an inner test that must then be red, and what is allowed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.builds.buildcache import cache_directory
from seatrial.conftest import Inner, InnerRun

CACHE = {"SEATRIAL_CACHE": str(cache_directory(Path.cwd() / "stores"))}
"""Where the inner runs find a cluster that is made already."""

BROKEN = """
import os, signal, time
import psycopg, pytest, redis
from seatrial import Template

KEPT = []

def test_leaves_a_client(environment):
    KEPT.append(redis.Redis.from_url(environment.valkey.url, client_name="forgetful"))
    KEPT[-1].ping()

def test_leaves_a_subscriber(environment):
    listener = redis.Redis.from_url(environment.valkey.url).pubsub()
    listener.subscribe("news")
    KEPT.append(listener)

def test_leaves_a_connection(environment):
    KEPT.append(psycopg.connect(environment.postgres.database().dsn, autocommit=True))

def test_leaves_a_transaction(environment):
    KEPT.append(psycopg.connect(environment.postgres.database().dsn))
    KEPT[-1].execute("CREATE TABLE a (n int)")

def test_leaves_a_lock(environment):
    KEPT.append(environment.postgres.database().connect())
    KEPT[-1].execute("SELECT pg_advisory_lock(7)")

def test_leaves_a_prepared_transaction(environment):
    with environment.postgres.database().connect() as connection:
        connection.execute("BEGIN; CREATE TABLE a (n int); PREPARE TRANSACTION 'half'")

def test_ignores_what_a_reset_found(environment):
    database = environment.postgres.database()
    KEPT.append(psycopg.connect(database.dsn, autocommit=True))
    database.reset()

def test_changes_the_catalogue(environment):
    database = environment.postgres.database()
    database.execute("CREATE TABLE later (n int)")
    database.reset()

def test_changes_the_server(environment):
    environment.postgres.database().execute("ALTER ROLE service SET work_mem = '1MB'")

def test_loses_track_of_a_transaction(environment):
    environment.postgres.database().execute("COMMIT")

def test_ends_the_shared_server(environment):
    environment.postgres.stop()

def test_crashes_the_shared_server(environment):
    os.kill(environment.postgres.database().value("SELECT pg_backend_pid()"), signal.SIGSEGV)
    environment.until("the moon to rise", lambda: None, timeout=45)

def test_waits_for_a_server_of_its_own_that_crashed(environment):
    server = environment.own_postgres()
    os.kill(server.process.pid, signal.SIGSEGV)
    environment.until("the moon to rise", lambda: None, timeout=45)

def test_template_fails(environment):
    environment.postgres.database(Template("bad", "1", lambda dsn: 1 / 0))
"""


@pytest.fixture(scope="module")
def broken(new_inner: Callable[[str], Inner]) -> InnerRun:
    return new_inner(BROKEN).run(variables=CACHE)


@pytest.mark.parametrize(
    ("test", "when", "said"),
    [
        ("test_leaves_a_client", "teardown", ["LeftBehind", "name forgetful", "environment.valkey.client()"]),
        ("test_leaves_a_subscriber", "teardown", ["left a client connected", "last command subscribe"]),
        ("test_leaves_a_connection", "teardown", ["left a connection open", "Database.connect"]),
        ("test_leaves_a_transaction", "teardown", ["left a transaction open", "commit it or roll it back"]),
        ("test_leaves_a_lock", "teardown", ["left 1 advisory lock held", "pg_advisory_unlock"]),
        (
            "test_leaves_a_prepared_transaction",
            "teardown",
            ["left the prepared transaction 'half'", "ROLLBACK PREPARED"],
        ),
        ("test_ignores_what_a_reset_found", "teardown", ["left a connection open"]),
        ("test_changes_the_catalogue", "call", ["StoreNotEmpty", "later", "take a new database"]),
        ("test_changes_the_server", "teardown", ["StoreNotEmpty", "there is a setting of role service"]),
        ("test_loses_track_of_a_transaction", "teardown", ["there is no transaction in progress"]),
        ("test_ends_the_shared_server", "teardown", ["own_postgres"]),
        ("test_crashes_the_shared_server", "call", ["ProcessDied", "was terminated by signal 11"]),
        ("test_waits_for_a_server_of_its_own_that_crashed", "call", ["ProcessDied", "SIGSEGV"]),
        ("test_template_fails", "call", ["ZeroDivisionError"]),
    ],
)
def test_a_broken_promise_is_red(broken: InnerRun, test: str, when: str, said: list[str]) -> None:
    failure = broken.failure(test)
    assert failure.when == when
    for text in said:
        assert text in failure.message


def test_nothing_passes_that_breaks_a_promise(broken: InnerRun) -> None:
    assert broken.result.state == "failed"
    assert broken.passed == set()


def test_the_log_of_a_shared_server_is_kept(broken: InnerRun) -> None:
    log = (broken.artifacts("test_loses_track_of_a_transaction") / "postgres.log").read_text()
    assert "there is no transaction in progress" in log
    assert "25P01" in log
    # Since the beginning of the test: what others did is in their own.
    assert "signal 11" not in log


GREEN = """
import os
from pathlib import Path
import psycopg
from seatrial import Template

def prepare(dsn):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE games (name text UNIQUE)")

GAMES = Template("games", "1", prepare)
SEEN = []

def use(environment):
    database = environment.postgres.database(GAMES)
    assert database.fetch("SELECT * FROM games") == []
    for _ in range(2):
        try:
            database.execute("INSERT INTO games VALUES ('chess')")
        except psycopg.errors.UniqueViolation:
            SEEN.append(database.name)
    database.connect()
    assert environment.stores == (environment.postgres,)

def test_one(environment):
    use(environment)

def test_two_has_a_database_of_its_own(environment):
    use(environment)
    assert len(set(SEEN)) == len(SEEN)
    assert SEEN[0] not in {row["datname"] for row in
                           environment.postgres.database().fetch("SELECT datname FROM pg_database")}

def test_own_server_may_be_killed(environment):
    server = environment.own_postgres(settings={"max_connections": "20"})
    database = server.database(GAMES)
    database.execute("INSERT INTO games VALUES ('chess')")
    server.kill()
    server.restart()
    assert database.value("SELECT count(*) FROM games") == 1
    assert server.name == "own-postgres" and environment.own_postgres().name == "own-postgres-2"

def test_clients_of_the_harness_are_closed(environment):
    client = environment.valkey.client()
    client.set("k", "v")
    client.pubsub().subscribe("news")

def test_nothing_of_a_server_stays(environment):
    assert list(Path("/dev/shm").glob(f"seatrial-pg-{os.getpid()}-*/*own-postgres*")) == []
"""


def test_what_is_allowed_passes_and_leaves_nothing(new_inner: Callable[[str], Inner]) -> None:
    inner = new_inner(GREEN)
    run = inner.run(variables=CACHE)
    assert run.result.failures == (), run.output
    assert run.result.counts.passed == 5
    assert not list((inner.root / "reports" / "local" / "artifacts").iterdir())
