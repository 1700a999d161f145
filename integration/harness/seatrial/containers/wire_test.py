import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from seatrial.containers import wire
from seatrial.containers.wire import EngineError, EngineUnreachable, NotThere, Place, Wire, find


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"DOCKER_HOST": "unix:///x/y.sock"}, Place("unix:///x/y.sock")),
        ({"DOCKER_HOST": "tcp://engine.test:2375"}, Place("tcp://engine.test:2375")),
        ({"DOCKER_HOST": "tcp://[::1]:2375"}, Place("tcp://[::1]:2375")),
        (
            {"DOCKER_HOST": "tcp://e:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"},
            Place("tcp://e:1", "/certs"),
        ),
        (
            {"DOCKER_HOST": "tcp://e:1", "DOCKER_TLS_VERIFY": "1", "HOME": "/ada"},
            Place("tcp://e:1", "/ada/.docker"),
        ),
    ],
)
def test_the_variables_say_where_it_is(variables: Mapping[str, str], place: Place) -> None:
    assert find(variables) == place


@pytest.mark.parametrize(
    "url",
    ["docker.sock", "unix://relative.sock", "unix://", "tcp://", "tcp://h:port", "ssh://h", "http://h:1"],
)
def test_an_address_that_cannot_be_used_is_named_with_what_can(url: str) -> None:
    with pytest.raises(
        EngineUnreachable, match="write unix:///path or tcp://host:port, or unset it"
    ) as caught:
        find({"DOCKER_HOST": url})
    assert repr(url) in str(caught.value)


def test_without_a_variable_a_socket_of_an_engine_without_root_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "DEFAULT_SOCKET", str(tmp_path / "default.sock"))
    variables = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert find(variables).path == str(tmp_path / "default.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        assert find(variables).path == str(tmp_path / "docker.sock")
        with socket.socket(socket.AF_UNIX) as default:
            default.bind(str(tmp_path / "default.sock"))
            assert find(variables).path == str(tmp_path / "default.sock")


def reason(path: Path, timeout: float = 5.0) -> str:
    with pytest.raises(EngineUnreachable) as caught:
        Wire(Place(f"unix://{path}"), timeout).ping()
    return str(caught.value)


def test_no_engine_is_told_with_the_command_that_starts_one(tmp_path: Path) -> None:
    said = reason(tmp_path / "e.sock")
    assert said.startswith(f"there is no container engine: no socket {tmp_path}/e.sock; start one")
    assert "docker/engine up" in said


def test_an_engine_that_has_ended_is_told_as_such(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "e.sock"))
    assert "has ended: nobody listens there" in reason(tmp_path / "e.sock")


@contextmanager
def nobody() -> Iterator[None]:
    """Without root's rights for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_socket_that_may_not_be_used_is_told_with_the_group_to_join(tmp_path: Path) -> None:
    path = tmp_path / "e.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0o600 if os.geteuid() == 0 else 0)
        with nobody():
            said = reason(path)
    assert "permission denied; join the group that owns it (usermod --append --groups docker" in said


def test_an_engine_that_hangs_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "e.sock"))
        server.listen()
        assert "does not answer in time" in reason(tmp_path / "e.sock", timeout=0.05)


@contextmanager
def answering(answer: bytes) -> Iterator[Place]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Place(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_another_server_is_not_taken_for_an_engine() -> None:
    with (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK") as place,
        pytest.raises(EngineUnreachable, match="is no container engine: GET /_ping gave 200"),
    ):
        Wire(place).ping()


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (b"404 Not Found", NotThere, "no such thing"),
        (b"409 Conflict", EngineError, r"refuses GET /things \(409\): no such thing"),
    ],
)
def test_a_refusal_is_told_in_the_engines_words(status: bytes, kind: type[Exception], said: str) -> None:
    body = b'{"message":"no such thing"}'
    answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    with answering(answer) as place, pytest.raises(kind, match=said):
        Wire(place).ask("GET", "/things")
