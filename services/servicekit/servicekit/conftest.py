"""Fixtures: a real Valkey, and the sample service as a real process."""

import asyncio
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings

from servicekit.listeners import address_of, bind
from servicekit.parsers import Address
from servicekit.server import HttpServer
from servicekit.testing.postgres import Postgres, embedded_postgres, fresh_database
from servicekit.testing.valkey import Valkey, embedded_valkey

# No deadline: a slow machine is not a defect.
settings.register_profile(
    "unit",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=50,
    database=None,
    print_blob=True,
)
settings.load_profile("unit")

ROOT = Path(__file__).parent.parent
MIGRATIONS = ROOT / "sample" / "migrations"
KEY = "c2VydmljZWtpdCBzYW1wbGUga2V5LCAzMiBieXRlcyE="

#: Moves the descriptors named by its first argument to 3, 4, ... and becomes the rest of its arguments. The numbers that it
#: is given lie above those. A shell cannot do it: many know descriptors of one digit only.
TRAMPOLINE = """
import os, sys
fds, pid, *command = sys.argv[1:]
for target, fd in enumerate(map(int, fds.split(",")), 3):
    os.dup2(fd, target)
if pid:
    os.environ["LISTEN_PID"] = str(os.getpid()) if pid == "own" else pid
os.execv(command[0], command)
"""


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A running Valkey of this test."""
    with embedded_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_of_all() -> Iterator[Postgres]:
    """The PostgreSQL of this test process; tests take `postgres`."""
    with embedded_postgres() as server:
        yield server


@contextmanager
def revived(server: Postgres) -> Iterator[Postgres]:
    """Make the server run again afterwards, whatever was done to it."""
    try:
        yield server
    finally:
        server.signal(signal.SIGCONT)
        if not server.running:
            server.start()


@pytest.fixture
def postgres(postgres_of_all: Postgres) -> Iterator[Postgres]:
    """The server, for tests that break it as well."""
    with revived(postgres_of_all) as server:
        yield server


@pytest.fixture
def dsn(postgres: Postgres) -> Iterator[str]:
    """A database of this test with the sample's tables."""
    with fresh_database(postgres, MIGRATIONS) as address, revived(postgres):
        yield address


@pytest.fixture
def empty_dsn(postgres: Postgres) -> Iterator[str]:
    """A database of this test with nothing in it."""
    with fresh_database(postgres, None) as address, revived(postgres):
        yield address


class Sample:
    """The sample service, running."""

    def __init__(self, process: subprocess.Popen[str], notified: socket.socket | None) -> None:
        self.process = process
        self.lines: list[dict[str, object]] = []
        self.raw: list[str] = []
        self._notified = notified
        assert process.stderr is not None
        self._stderr: IO[str] = process.stderr

    def notification(self) -> dict[str, str]:
        """Give the next datagram's fields; the socket's time-out ends a wait in vain."""
        assert self._notified is not None
        datagram = self._notified.recv(65536).decode()
        return dict(line.split("=", 1) for line in datagram.splitlines())

    def ready(self) -> dict[str, str]:
        """Wait for READY=1 and give that datagram's fields."""
        while (fields := self.notification()).get("READY") != "1":
            pass
        return fields

    def wait_log(self, event: str) -> dict[str, object]:
        """Wait for the next line with that event."""
        for text in self._stderr:
            self.raw.append(text)
            if text.startswith("{"):
                line: dict[str, object] = msgspec.json.decode(text)
                self.lines.append(line)
                if line["event"] == event:
                    return line
        raise AssertionError(f"ended without the event {event}: {''.join(self.raw)}")

    def wait_line(self, pattern: str) -> str:
        """Wait for the next line that contains the pattern."""
        for text in self._stderr:
            self.raw.append(text)
            if re.search(pattern, text):
                return text
        raise AssertionError(f"ended without {pattern}: {''.join(self.raw)}")

    def end(self) -> int:
        """Wait for its end; give the exit status as subprocess does, the rest of its log is in ``raw``."""
        self.raw += self._stderr.readlines()
        return self.process.wait()

    def log(self) -> str:
        """Everything that it wrote to stderr."""
        return "".join(self.raw)


class Samples:
    """Starts samples, and ends what a test left running."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder

    def listener(
        self, family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1"
    ) -> socket.socket:
        """A listening socket, to be passed."""
        bound = self._stack.enter_context(closing(socket.socket(family)))
        bound.bind((host, 0))
        bound.listen()
        return bound

    def start(
        self,
        *arguments: str,
        environment: dict[str, str] | None = None,
        passed: Sequence[int] = (),
        pid: str = "own",
        notify: str | None = "path",
    ) -> Sample:
        """Start the sample with the descriptors from 3 on; ``pid`` replaces the right LISTEN_PID, "" leaves it out."""
        variables = {
            "PATH": os.environ["PATH"], "SAMPLE_KEY": KEY, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        notified: socket.socket | None = None
        if notify is not None:
            notified = self._stack.enter_context(closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)))
            name = f"{self._folder}/notify-{id(notified)}"
            notified.bind("\0" + name if notify == "abstract" else name)
            notified.settimeout(30)
            variables["NOTIFY_SOCKET"] = "@" + name if notify == "abstract" else name
        variables |= environment or {}
        command = [sys.executable, "-m", "sample", *arguments]
        high: list[int] = []
        if passed:
            variables.setdefault("LISTEN_FDS", str(len(passed)))
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in passed]
            fds = ",".join(map(str, high))
            command = [sys.executable, "-I", "-S", "-c", TRAMPOLINE, fds, pid, *command]
        process = subprocess.Popen(
            command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=high
        )
        for fd in high:
            os.close(fd)
        self._stack.callback(_end, process)
        return Sample(process, notified)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


@asynccontextmanager
async def serving(app: Any, **options: Any) -> AsyncIterator[tuple[HttpServer, int]]:
    """Serve an application on a real socket; gives the server and its port."""
    bound = bind(Address("127.0.0.1", 0), "ADDR")
    server = HttpServer(app, bound, **options)
    await server.start()
    try:
        yield server, address_of(bound).port
    finally:
        await server.drain(0)


async def exchange(port: int, *pieces: bytes, end: bool = False) -> bytes:
    """Send bytes, piece by piece, and give everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if end:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


@pytest.fixture
def samples() -> Iterator[Samples]:
    """Starts sample services."""
    folder = Path(tempfile.mkdtemp(prefix="servicekit-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        yield Samples(stack, folder)
