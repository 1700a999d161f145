"""Real servers: each thing that a test can leave behind is left behind, and the reset removes it or is red."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from seatrial.errors import SeatrialError
from seatrial.processes.listener import Address
from seatrial.stores.external_valkey import ExternalValkey, parse
from seatrial.stores.resp import conversation
from seatrial.stores.store import StoreError, StoreNotEmpty
from seatrial.stores.valkey import Valkey, server_program, worker_valkey
from seatrial.waiting import until

LIBRARY = "#!lua name=ours\nserver.register_function('f', function(keys, args) return 1 end)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server
    assert server.problems() == ()


@pytest.fixture
def store(server: Valkey) -> Iterator[Valkey]:
    """The shared server, whose emptiness each test begins and ends with."""
    server.reset()
    yield server
    server.reset()


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path / "private") as server:
        yield server


def stranger(store: Valkey) -> socket.socket:
    """A connection that belongs to nobody whom the harness knows."""
    connection = socket.create_connection((store.address.host, store.address.port), 5.0)
    connection.settimeout(5.0)
    return connection


def say(connection: socket.socket, line: str) -> bytes:
    connection.sendall(line.encode() + b"\r\n")
    return connection.recv(4096)


def facts(store: Valkey) -> dict[str, str]:
    return {str(key): str(value) for key, value in store.client().info("everything").items()}


def test_it_serves_at_its_address_and_is_our_child(store: Valkey) -> None:
    assert store.process is not None
    assert store.client().info("server")["process_id"] == store.process.pid
    assert store.url == f"redis://{store.address}/0"
    with redis.Redis.from_url(store.url) as client:
        assert client.ping() is True


def leave_keys(store: Valkey) -> None:
    for database in (0, 5, 15):
        with conversation(store.address, database) as talk:
            talk.one("SET", "k", "v")


def leave_function(store: Valkey) -> None:
    store.client().function_load(LIBRARY)


def leave_script(store: Valkey) -> None:
    store.client().script_load("return 1")


def leave_settings(store: Valkey) -> None:
    client = store.client()
    client.config_set("maxmemory", "12345678")
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("notify-keyspace-events", "KEA")


def leave_user(store: Valkey) -> None:
    store.client().acl_setuser("bob", enabled=True, nopass=True, keys=["*"], commands=["+get"])


def leave_weakened_default_user(store: Valkey) -> None:
    with conversation(store.address) as talk:
        talk.one("ACL", "SETUSER", "default", "-get")


@pytest.mark.parametrize(
    "leave",
    [leave_keys, leave_function, leave_script, leave_settings, leave_user, leave_weakened_default_user],
    ids=lambda leave: leave.__name__.removeprefix("leave_"),
)
def test_reset_removes_what_a_test_left_in_the_server(store: Valkey, leave: Callable[[Valkey], None]) -> None:
    def state() -> object:
        with conversation(store.address) as talk:
            replies = talk.transaction(
                ("CONFIG", "GET", "*"), ("ACL", "LIST"), ("FUNCTION", "LIST"), ("INFO", "keyspace")
            )
            return replies, facts(store)["number_of_cached_scripts"]

    before = state()
    leave(store)
    assert state() != before
    assert store.reset() == ()
    assert state() == before


@pytest.mark.parametrize(
    ("command", "field"),
    [
        ("SUBSCRIBE channel", "pubsub_clients"),
        ("PSUBSCRIBE pattern*", "pubsub_patterns"),
        ("BLPOP list 0", "blocked_clients"),
        ("WATCH key", "watching_clients"),
        ("MONITOR", None),
        ("PING", None),
    ],
)
def test_reset_cuts_off_and_reports_whoever_was_left_connected(
    store: Valkey, command: str, field: str | None
) -> None:
    with stranger(store) as left:
        left.sendall(command.encode() + b"\r\n")
        until("the command to be heard", lambda: field is None or facts(store)[field] == "1")
        until("the client", lambda: len(store.client().client_list()) >= 2)
        (report,) = store.reset()
        host, port = left.getsockname()
        assert f"{host}:{port}" in report
        while left.recv(4096):  # what was answered before, then the end
            pass


def test_clients_of_the_harness_are_no_strays_and_work_again_after_the_reset(store: Valkey) -> None:
    client = store.client()
    client.set("k", "v")
    assert store.reset() == ()
    assert client.get("k") is None


def test_a_client_answers_text_or_bytes(store: Valkey) -> None:
    store.client().set("k", "é")
    assert store.client().get("k") == "é"
    assert store.client(decode=False).get("k") == "é".encode()


@pytest.mark.parametrize(
    "sabotage",
    [
        "ACL SETUSER default -flushall",
        "ACL SETUSER default -info",
        "CONFIG SET requirepass secret",
        "REPLICAOF 127.0.0.1 1",
        "CLIENT PAUSE 60000 ALL",
    ],
)
def test_what_cannot_be_proven_empty_is_red(private: Valkey, sabotage: str) -> None:
    with stranger(private) as vandal:
        assert say(vandal, sabotage) == b"+OK\r\n"
        with pytest.raises(StoreNotEmpty, match="^valkey "):
            private.reset()


def test_a_script_without_end_is_red(private: Valkey) -> None:
    with stranger(private) as vandal:
        vandal.sendall(b"EVAL 'while true do end' 0\r\n")
        with pytest.raises(StoreNotEmpty):
            private.reset()
        private.kill()


def test_a_stopped_server_is_red(private: Valkey) -> None:
    private.stop()
    with pytest.raises(StoreNotEmpty, match="can be reached"):
        private.reset()


def test_a_killed_server_is_back_at_the_same_address_without_its_data(private: Valkey) -> None:
    address = private.address
    client = private.client()
    client.set("k", "v")
    private.kill()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    private.restart()
    assert private.address == address
    assert client.get("k") is None
    assert private.reset() == ()
    private.close()
    assert private.problems() == ()


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_persistent_server_comes_back_with_everything_that_was_acknowledged(
    tmp_path: Path, end: str
) -> None:
    with Valkey(tmp_path, persistent=True) as server:
        for number in range(200):
            server.client().xadd("stream", {"n": number})
        getattr(server, end)()
        server.restart()
        assert server.client().xlen("stream") == 200
        server.reset()
        server.restart()
        assert server.client().xlen("stream") == 0


def test_a_paused_server_is_silent_and_then_answers(private: Valkey) -> None:
    with stranger(private) as client:
        assert say(client, "PING") == b"+PONG\r\n"
        private.pause()
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            say(client, "PING")
        private.resume()
        client.settimeout(5.0)
        assert client.recv(100) == b"+PONG\r\n"


def test_stop_and_close_may_be_repeated_and_a_paused_server_stops(private: Valkey) -> None:
    private.pause()
    private.stop()
    private.stop()
    assert private.process is not None
    assert private.process.exit_status is not None
    assert private.process.exit_status.code == 0
    private.close()
    private.close()
    assert private.problems() == ()


def test_a_crash_is_a_problem(private: Valkey) -> None:
    assert private.process is not None
    private.process.expect_exit()
    os.kill(private.process.pid, signal.SIGSEGV)
    private.process.wait_exit()
    private.close()
    assert any("crashed by signal" in str(problem) for problem in private.problems())


def test_use_before_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="start"):
        _ = Valkey(tmp_path).address


def test_a_second_start_is_an_error(store: Valkey) -> None:
    with pytest.raises(StoreError, match="already"):
        store.start()
    with ExternalValkey(str(store.address)) as external, pytest.raises(StoreError, match="already"):
        external.start()


def test_the_program_can_be_named_and_a_wrong_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = server_program()
    monkeypatch.setenv("SEATRIAL_VALKEY_BIN", found)
    assert server_program() == found
    monkeypatch.setenv("SEATRIAL_VALKEY_BIN", "/nowhere/valkey-server")
    with pytest.raises(StoreError, match="SEATRIAL_VALKEY_BIN=/nowhere/valkey-server"):
        server_program()


# -- a server that is not ours


@pytest.mark.parametrize(
    ("place", "worker", "expected"),
    [
        ("db.test", "", (Address("db.test", 6379), 15)),
        ("db.test:7000", "gw3", (Address("db.test", 7000), 12)),
        ("db.test:7000/4", "gw1", (Address("db.test", 7000), 3)),
        ("redis://[::1]:7000/4", "", (Address("::1", 7000), 4)),
    ],
)
def test_places(place: str, worker: str, expected: tuple[Address, int]) -> None:
    assert parse(place, worker) == expected


@pytest.mark.parametrize(
    ("place", "worker"), [("", ""), ("h:x", ""), ("rediss://h", ""), ("u:p@h:1", ""), ("h:1/0", "gw1")]
)
def test_no_places(place: str, worker: str) -> None:
    with pytest.raises(StoreError, match="INTEGRATION_REAL_REDIS_ADDR"):
        parse(place, worker)


def test_external_uses_and_flushes_its_database_alone(store: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    with conversation(store.address) as talk:
        talk.one("SET", "theirs", "1")
    monkeypatch.setenv("INTEGRATION_REAL_REDIS_ADDR", str(store.address))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    with contextlib.closing(worker_valkey(Path("unused"))) as external:
        assert isinstance(external, ExternalValkey)
        assert (external.url, external.process, external.log) == (f"redis://{store.address}/15", None, None)
        client = external.client()
        client.set("ours", "1")
        with conversation(store.address, 15) as ours, conversation(store.address) as theirs:
            ours.one("PING")
            (report,) = external.reset()
            assert "ping" in report
            with pytest.raises(StoreError, match=r"hung up|not answer"):
                ours.one("PING")
            assert theirs.one("GET", "theirs") == "1"
        assert client.get("ours") is None
        client.set("ours", "2")
    with conversation(store.address, 15) as talk:
        assert talk.one("DBSIZE") == 0


def test_external_refuses_a_database_that_has_keys(store: Valkey) -> None:
    with conversation(store.address, 15) as talk:
        talk.one("SET", "theirs", "1")
        with pytest.raises(StoreNotEmpty, match=r"/15 has 1 keys.*not ours.*<number>"):
            ExternalValkey(str(store.address)).start()
        assert talk.one("GET", "theirs") == "1"


def test_external_refuses_a_database_that_another_run_has_taken(store: Valkey) -> None:
    with ExternalValkey(str(store.address)):
        with pytest.raises(StoreError, match="in use by another run"):
            ExternalValkey(str(store.address)).start()
        with ExternalValkey(str(store.address), "gw1") as second:
            assert second.database == 14
    with ExternalValkey(str(store.address)):
        pass


def test_external_that_is_gone_is_red(private: Valkey) -> None:
    with ExternalValkey(str(private.address)) as external:
        private.stop()
        with pytest.raises(StoreNotEmpty):
            external.reset()
    with pytest.raises(SeatrialError, match="can be reached"):
        external.start()
