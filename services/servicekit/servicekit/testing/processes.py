"""A service's real process: booted by its console script's function, told ready by its datagram, ended with the test."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

#: Seconds for a process to be ready, to end by itself, or to drain.
READY_S: Final = 60.0
RUN_S: Final = 60.0
STOP_S: Final = 20.0


class Process:
    """A process that is ready."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path, ready: Mapping[str, str]) -> None:
        self._process = process
        self._ready = ready
        #: The file of what it writes to stderr.
        self.log = log

    def address(self, listener: str) -> str:
        """Give a listener's ``host:port``."""
        return self._ready[f"X_LISTEN_{listener.upper()}"]

    def url(self, listener: str) -> str:
        """Give the base URL of a listener of HTTP."""
        return f"http://{self.address(listener)}"

    def terminate(self) -> None:
        """Send it SIGTERM, which begins its drain."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for its end; gives the exit status."""
        return self._process.wait(STOP_S)

    def stop(self) -> int:
        """Have it drain and end; gives the exit status."""
        self.terminate()
        return self.wait()

    def send_kill(self) -> None:
        """Send it SIGKILL, without waiting for its end."""
        self._process.kill()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def records(self) -> list[dict[str, Any]]:
        """Give its log, one JSON object a line."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


class Processes:
    """Starts processes of one service, and ends what a test left.

    ``name`` is the package whose ``main.main`` is the console script. ``variables`` are set for each process, by their whole
    names. Nothing else of the service's prefix or of Python's own is taken from our environment.
    """

    def __init__(self, name: str, folder: Path, variables: Mapping[str, str]) -> None:
        self._main = f"import sys; from {name}.main import main; sys.exit(main())"
        self._name = name
        self._folder = folder
        prefix = name.upper()
        self._variables = {
            f"{prefix}_HTTP_ADDR": "127.0.0.1:0",
            f"{prefix}_ADMIN_ADDR": "127.0.0.1:0",
            **variables,
        }
        self._dropped = (f"{prefix}_", "LISTEN_", "NOTIFY_", "PYTHON")
        self._started = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def environment(self, **more: str) -> dict[str, str]:
        """Give the environment of a process; what is empty counts as absent."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(self._dropped)}
        return {**kept, "PYTHONPATH": os.pathsep.join(sys.path), **self._variables, **more}

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """Run the program to its end."""
        return self._complete(self._main, *arguments, **more)

    def modules(self, module: str) -> set[str]:
        """Give what is loaded by the import of a module."""
        done = self._complete(f"import sys, {module}; print(*sys.modules)")
        if done.returncode:
            raise AssertionError(f"{module} cannot be imported: {done.stderr}")
        return set(done.stdout.split())

    def _complete(self, code: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command, env=self.environment(**more), capture_output=True, text=True, timeout=RUN_S, check=False
        )

    def start(self, **more: str) -> Process:
        """Start one more and wait until it is ready. Raises AssertionError with its log if it does not become so."""
        self._started += 1
        address = f"{self._name}-test-{os.getpid()}-{id(self)}-{self._started}"
        log = self._folder / f"log{self._started}"
        # Open for as long as the process: it tells its end as well.
        notified = self._stack.enter_context(closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)))
        notified.bind(f"\0{address}")
        notified.settimeout(READY_S)
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-c", self._main],
                env=self.environment(**more) | {"NOTIFY_SOCKET": f"@{address}"},
                stderr=stderr,
            )
        self._stack.callback(_end, process)
        try:
            while "READY=1" not in (told := notified.recv(65536).decode().splitlines()):
                pass
        except TimeoutError:
            said = log.read_text(encoding="utf-8")
            raise AssertionError(f"{self._name} was not ready within {READY_S:g} s: {said}") from None
        return Process(process, log, dict(line.split("=", 1) for line in told))


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
