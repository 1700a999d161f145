"""What does a harness add to the boot of the very same server? Seatrial beside two peers, interleaved."""

import functools
import http.client
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mirakuru import OutputExecutor, TCPExecutor
from xprocess import ProcessStarter
from xprocess.xprocess import XProcess

from interleaved import Mode
from seatrial import Environment, Listener, Service
from seatrial.processes.listener import Reservation
from seatrial.processes.warmboot import Preload
from series import Target

SERVER = Path(__file__).parent / "servers" / "stamped_server.py"
ROUNDS = 120

Boot = Callable[[], Iterator[str]]


def _server_said_ready_at(address: str) -> int:
    """The instant, on the clock that all processes share, at which the server itself could serve."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/")
        return int(connection.getresponse().read())
    finally:
        connection.close()


def _command(address: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(SERVER), address]


class Stamped:
    """The server as a program that can boot warm."""

    def command(self) -> Sequence[str]:
        """How it is executed."""
        return _command("")[:-1]

    def preloaded(self) -> Preload:
        """It imports the standard library only."""
        return Preload(sys.executable, str(SERVER))


@contextmanager
def _seatrial(environment: Environment, mode: Mode) -> Iterator[str]:
    service = Service(
        name="server",
        binary=Stamped(),
        arguments=("{server.address}",),
        listeners=(Listener(name="server", kind="reserved"),),
        log_format="plain",
    )
    process = environment.start(service, boot=mode)
    assert process.boot == mode
    try:
        yield str(process.address("server"))
    finally:
        process.stop()


@contextmanager
def _bare(port: int) -> Iterator[str]:
    """No harness at all: fork, exec, and a blocking read of the line ``ready``. The floor."""
    with subprocess.Popen(_command(f"127.0.0.1:{port}"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield f"127.0.0.1:{port}"
        process.terminate()


@contextmanager
def _mirakuru(port: int, kind: str) -> Iterator[str]:
    address = f"127.0.0.1:{port}"
    if kind == "tcp":
        with TCPExecutor(_command(address), host="127.0.0.1", port=port, timeout=30):
            yield address
    else:
        with OutputExecutor(_command(address), banner="ready", timeout=30):
            yield address


@contextmanager
def _xprocess(xprocess: Any, name: str, port: int) -> Iterator[str]:
    class Starter(ProcessStarter):  # type: ignore[misc]  # the package has no types
        pattern = "ready"
        args = _command(f"127.0.0.1:{port}")
        timeout = 30
        env = dict(os.environ)  # noqa: RUF012

    xprocess.ensure(name, Starter)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        xprocess.getinfo(name).terminate()
        # It keeps files and the child's handle until the session ends, by when hundreds would be open.
        resource = xprocess.resources.pop()
        resource.popen.wait()
        resource.release()


@pytest.fixture
def xprocess(tmpdir: Any) -> XProcess:
    """The peer without its pytest plugin, which reads every log again after every test."""
    return XProcess(SimpleNamespace(), tmpdir)


def test_readiness_beyond_the_childs_own_boot(
    environment: Environment, xprocess: Any, record: Any, rounds: Any
) -> None:
    """From the instant at which the server could serve to the instant at which the test goes on; and from the call."""
    beyond: dict[str, list[float]] = defaultdict(list)
    whole: dict[str, list[float]] = defaultdict(list)
    with _seatrial(environment, "warm"):
        pass  # the first one starts what the others are forked from
    for index in rounds(ROUNDS):
        subjects: list[tuple[str, Callable[[int], Any]]] = [
            ("seatrial", lambda _port: _seatrial(environment, "cold")),
            ("seatrial, warm", lambda _port: _seatrial(environment, "warm")),
            ("bare fork and exec", _bare),
            ("mirakuru, TCP", lambda port: _mirakuru(port, "tcp")),
            ("mirakuru, output", lambda port: _mirakuru(port, "output")),
            ("pytest-xprocess", functools.partial(_xprocess, xprocess, f"bench{index}")),
        ]
        # Each subject is first as often as the others: what one leaves behind must not always hit the same neighbour.
        shift = index % len(subjects)
        for name, boot in subjects[shift:] + subjects[:shift]:
            # A peer has no way of its own to get a port without a race: it is lent one, held as Seatrial holds its own.
            held = Reservation("127.0.0.1")
            port = held.address.port
            try:
                called_at = time.monotonic_ns()
                with boot(port) as address:
                    seen_at = time.monotonic_ns()
                    could_serve_at = _server_said_ready_at(address)
            finally:
                held.close()
            beyond[name].append((seen_at - could_serve_at) / 1e6)
            whole[name].append((seen_at - called_at) / 1e6)
    for name, samples in beyond.items():
        target = Target(p50=3, p99=10) if name.startswith("seatrial") else None
        record("readiness beyond the child's own boot", name, samples, target)
    for name, samples in whole.items():
        record("call to ready, same server", name, samples)
    assert len(beyond["seatrial"]) == len(beyond["pytest-xprocess"])
