import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seatrial.rules import capability
from seatrial.rules.capability import (
    REAL_POSTGRES_VARIABLE,
    REAL_REDIS_VARIABLE,
    Capability,
    UnknownCapability,
    probe,
    register,
    registry,
)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither answers nor registrations outlive a test."""
    monkeypatch.setattr(capability, "_answers", {})
    monkeypatch.setattr(capability, "_registry", dict(registry()))


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives one answer to whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_probe_runs_once() -> None:
    asked: list[str] = []

    def ask() -> str:
        asked.append("gold")
        return "the vault is empty"

    register(Capability(name="gold", purpose="riches", remedy="dig", probe=ask))
    first = probe("gold")
    assert first is probe("gold")
    assert asked == ["gold"]
    assert str(first) == "capability 'gold' is absent: the vault is empty (remedy: dig)"


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(
        UnknownCapability, match=r"unknown capability 'dokcer' \(use one of: browser, docker, .*register"
    ):
        probe("dokcer")


def test_a_name_belongs_to_one_capability() -> None:
    gold = Capability(name="gold", purpose="riches", remedy="dig", probe=lambda: None)
    register(gold)
    register(gold)
    with pytest.raises(ValueError, match="registered twice"):
        register(Capability(name="gold", purpose="other", remedy="dig", probe=lambda: None))
    with pytest.raises(ValueError, match="must match"):
        Capability(name="Bad Name", purpose="", remedy="", probe=lambda: None)


def test_everything_known_can_be_probed_and_says_what_to_do() -> None:
    for name, known in registry().items():
        absence = probe(name)
        assert known.purpose
        assert known.remedy
        assert absence is None or absence.reason


def test_a_real_redis_is_there_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(b"+PONG\r\n") as address:
        monkeypatch.setenv(REAL_REDIS_VARIABLE, address)
        assert probe("real_redis") is None


@pytest.mark.parametrize("answer", [b"-NOAUTH Authentication required.\r\n", b"HTTP/1.1 400 Bad Request\r\n"])
def test_another_answer_is_none(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    with answering(answer) as address:
        monkeypatch.setenv(REAL_REDIS_VARIABLE, address)
        absence = probe("real_redis")
    assert absence is not None
    assert "answered PING with" in absence.reason


@pytest.mark.parametrize(("answer", "there"), [(b"N", True), (b"S", True), (b"E", False), (b"", False)])
def test_a_real_postgres_is_there_when_it_answers_as_one(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, there: bool
) -> None:
    with answering(answer) as address:
        monkeypatch.setenv(REAL_POSTGRES_VARIABLE, f"postgresql://user:secret@{address}/database")
        absence = probe("real_postgres")
    assert (absence is None) is there
    assert absence is None or "answered SSLRequest with" in absence.reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is not set"),
        ("host:5432", "is not postgresql://"),
        ("postgresql://[::1", "is no URL"),
        ("postgresql:///database", "is not postgresql://"),
    ],
)
def test_a_dsn_that_is_none_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, value: str | None, reason: str
) -> None:
    monkeypatch.delenv(REAL_POSTGRES_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(REAL_POSTGRES_VARIABLE, value)
    absence = probe("real_postgres")
    assert absence is not None
    assert reason in absence.reason


def test_programs_of_postgres_that_are_none_are_an_absence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    absence = probe("postgres")
    assert absence is not None
    assert f"PG_BIN={tmp_path}: it has no postgres" in absence.reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is not set"),
        ("", "is not set"),
        (":6379", "is not host:port"),
        ("h:port", "is not host:port"),
        ("[::1", "is not host:port"),
    ],
)
def test_an_address_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str | None, reason: str
) -> None:
    monkeypatch.delenv(REAL_REDIS_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(REAL_REDIS_VARIABLE, value)
    absence = probe("real_redis")
    assert absence is not None
    assert reason in absence.reason


def test_nobody_at_the_address_is_an_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and nobody listens
        monkeypatch.setenv(REAL_REDIS_VARIABLE, f"127.0.0.1:{held.getsockname()[1]}")
        absence = probe("real_redis")
    assert absence is not None
    assert "nothing answers at 127.0.0.1" in absence.reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "is no container engine: GET /_ping gave 200"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "is no container engine: GET /_ping gave 404"),
        (b"\r\n", "no container engine answers at tcp://127.0.0.1"),
    ],
)
def test_an_engine_is_there_when_it_answers_a_ping(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, reason: str | None
) -> None:
    with answering(answer) as address:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://{address}")
        absence = probe("docker")
    assert (absence is None) is (reason is None)
    assert absence is None or str(reason) in absence.reason


def test_an_engine_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/gone.sock")
    absence = probe("docker")
    assert absence is not None
    assert absence.reason == f"there is no container engine: no socket {tmp_path}/gone.sock"
    assert "docker/engine up" in absence.remedy


def test_a_missing_interpreter_is_an_absence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    absence = probe("python3.13")
    assert absence is not None
    assert absence.reason == "no python3.13 in PATH"
    broken = tmp_path / "python3.12"
    broken.write_text("#!/bin/sh\necho cannot find it >&2\nexit 127\n")
    broken.chmod(0o755)
    absence = probe("python3.12")
    assert absence is not None
    assert absence.reason.endswith("exited with 127: cannot find it")
