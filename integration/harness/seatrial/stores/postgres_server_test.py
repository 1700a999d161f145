"""A server of ours: where it is, as whom it runs, and its life when a test breaks it."""

import contextlib
import os
import signal
import tempfile
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from seatrial.builds.progress import progress
from seatrial.errors import ProcessDied
from seatrial.processes import proctree
from seatrial.stores import postgres_place
from seatrial.stores.conftest import GAMES
from seatrial.stores.postgres import worker_postgres
from seatrial.stores.postgres_server import PostgresServer
from seatrial.stores.store import StoreError
from seatrial.waiting import until


def test_it_is_our_child_and_serves_on_both_of_its_addresses(server: PostgresServer) -> None:
    assert server.process is not None
    assert str(server.process.pid) == (server.place.data / "postmaster.pid").read_text().split()[0]
    database = server.database()
    assert database.dsn.endswith(f"@{server.address}/{database.name}")
    socket = f"postgresql:///{database.name}?host={server.place.path}&port={server.address.port}&user=service"
    password = psycopg.conninfo.conninfo_to_dict(database.dsn)["password"]
    for dsn in (database.dsn, f"{socket}&password={password}"):
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (
                "service",
                database.name,
            )


def test_nobody_comes_in_without_a_password(server: PostgresServer) -> None:
    for host in (server.address.host, str(server.place.path)):
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(
                f"host={host} port={server.address.port} user=service dbname=postgres passfile=/dev/null"
            )


def test_it_does_not_run_as_root_and_services_are_no_superusers(server: PostgresServer) -> None:
    assert server.process is not None
    for each in (server.process.pid, *(its.pid for its in proctree.descendants(server.process.pid))):
        with contextlib.suppress(FileNotFoundError):  # a backend that has just ended
            assert os.stat(f"/proc/{each}").st_uid != 0
    with pytest.raises(errors.InsufficientPrivilege):
        server.database().execute("CREATE ROLE another")


def test_it_says_where_its_data_are(server: PostgresServer) -> None:
    assert str(server.place).startswith(f"{server.place.path} (")
    assert ("in memory" in str(server.place)) is str(server.place.path).startswith("/dev/shm/")


@pytest.mark.parametrize("free", [postgres_place.NEEDED, postgres_place.NEEDED - 1])
def test_memory_without_room_is_not_used(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    said: list[str] = []
    with tempfile.TemporaryDirectory(dir="/tmp") as name:  # a short name, as a socket needs
        memory = Path(name)
        memory.chmod(0o755)

        class Usage:
            def __init__(self, path: Path) -> None:
                self.free = free if path == memory else postgres_place.NEEDED

        monkeypatch.setattr(postgres_place, "MEMORY", memory)
        monkeypatch.setattr("seatrial.stores.postgres_place.shutil.disk_usage", Usage)
        monkeypatch.setattr(progress, "report", said.append)
        postgres_place.base.cache_clear()
        try:
            assert (postgres_place.base() == memory) is (free == postgres_place.NEEDED)
        finally:
            postgres_place.base.cache_clear()
    assert [memory.name in line and "255 MiB free" in line for line in said] == (
        [] if free == postgres_place.NEEDED else [True]
    )


def test_a_killed_server_comes_back_with_every_commit(own: PostgresServer) -> None:
    database, address = own.database(GAMES), own.address
    for number in range(200):
        database.execute("INSERT INTO games (name) VALUES (%s)", str(number))
    own.kill()
    with pytest.raises((psycopg.Error, StoreError)):
        database.execute("SELECT 1")
    own.restart()
    assert own.address == address
    assert database.value("SELECT count(*) FROM games") == 200
    own.close()
    assert own.problems() == ()


def test_a_stopped_server_comes_back_with_its_data(own: PostgresServer) -> None:
    database = own.database(GAMES)
    database.execute("INSERT INTO games (name) VALUES ('go')")
    own.stop()
    own.stop()
    own.restart()
    assert database.value("SELECT count(*) FROM games") == 1
    own.restart()
    assert database.value("SELECT count(*) FROM games") == 1


def test_a_paused_server_is_silent_and_then_answers(own: PostgresServer) -> None:
    database = own.database(GAMES)
    with contextlib.closing(database.connect()) as connection:
        connection.execute("SELECT 1")
        own.pause()
        connection.pgconn.send_query(b"SELECT 42")
        connection.pgconn.flush()
        with pytest.raises(psycopg.OperationalError, match="timeout"):
            psycopg.connect(database.dsn, connect_timeout=2)
        connection.pgconn.consume_input()
        assert connection.pgconn.is_busy()
        own.resume()

        def answered() -> bool:
            connection.pgconn.consume_input()
            return not connection.pgconn.is_busy()

        until("the answer", answered)
    own.close()
    assert own.problems() == ()


@pytest.mark.parametrize("end", ["kill", "close"])
def test_a_paused_server_can_be_ended_and_nothing_of_it_stays(own: PostgresServer, end: str) -> None:
    assert own.process is not None
    database = own.database(GAMES)
    connection = database.connect()
    family = [own.process.pid, *(each.pid for each in proctree.descendants(own.process.pid))]
    path = own.place.path
    own.pause()
    getattr(own, end)()
    own.close()
    left = [its for pid in family if (its := proctree.info(pid)) is not None]
    assert [its for its in left if not its.zombie] == []  # those the audit reaps
    assert not path.exists()
    assert f" {family[0]} " not in Path("/proc/sysvipc/shm").read_text()
    connection.close()


def test_a_crash_is_a_problem(own: PostgresServer) -> None:
    assert own.process is not None
    database = own.database(GAMES)
    pid = database.value("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(ProcessDied, match="was terminated by signal 11"):
        until("the moon to rise", lambda: False, 30.0)
    own.close()
    assert any("was terminated by signal 11" in str(problem) for problem in own.problems())


@pytest.mark.parametrize(
    ("statement", "alarming"),
    [
        ("INSERT INTO versions VALUES (1)", False),
        ("SELECT * FROM nowhere", False),
        ("SELECT 1/0", False),
        ("COMMIT", True),
        ("DO $$ BEGIN RAISE EXCEPTION 'bad disk' USING ERRCODE = '58030'; END $$", True),
    ],
)  # fmt: skip
def test_what_in_its_log_is_alarming(own: PostgresServer, statement: str, alarming: bool) -> None:
    database = own.database(GAMES)
    with contextlib.suppress(psycopg.Error):
        database.execute(statement.encode())
    own.close()
    assert bool(own.problems()) is alarming
    if alarming:
        assert own.process is not None
        own.process.allow_log("25P01 WARNING|bad disk")
        assert own.problems() == ()


def test_settings_are_the_tests(tmp_path: Path) -> None:
    with PostgresServer(tmp_path, killable=True, settings={"max_connections": "7"}) as server:
        assert server.database().value("SHOW max_connections") == "7"
        assert server.database().value("SHOW full_page_writes") == "on"
    assert not server.problems()


def test_a_setting_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProcessDied, match="unrecognized configuration parameter"):
        PostgresServer(tmp_path, settings={"max_conections": "7"}).start()


def test_use_before_start_and_a_second_start_are_errors(tmp_path: Path, shared: PostgresServer) -> None:
    with pytest.raises(StoreError, match="call start"):
        PostgresServer(tmp_path).database()
    with pytest.raises(StoreError, match="started already"):
        shared.start()


def test_a_worker_has_a_server_of_ours_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INTEGRATION_REAL_POSTGRES_DSN", raising=False)
    with contextlib.closing(worker_postgres(tmp_path)) as server:
        assert isinstance(server, PostgresServer)
    monkeypatch.setenv("INTEGRATION_REAL_POSTGRES_DSN", "nonsense")
    with pytest.raises(StoreError, match="INTEGRATION_REAL_POSTGRES_DSN is not postgresql://"):
        worker_postgres(tmp_path)
