"""rtmanager as a process, to be killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MAIN: Final = "import sys; from rtmanager.main import main; sys.exit(main())"
TIMEOUT_S: Final = 60.0


class Process:
    """One life after the other of one instance; ``kill`` ends the present one."""

    def __init__(self, variables: Mapping[str, str], folder: Path) -> None:
        self._variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RTMANAGER_", "PYTHON", "LISTEN_"))
        } | dict(variables)
        self._variables["PYTHONPATH"] = os.pathsep.join(sys.path)
        self._folder = folder
        self._lives = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin a life; returns when it serves."""
        self._lives += 1
        name = f"\0rtmanager-suite-{os.getpid()}-{id(self)}-{self._lives}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(name)
            notified.settimeout(TIMEOUT_S)
            with (self._folder / f"rtmanager-{self._lives}.log").open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", MAIN],
                    env=self._variables | {"NOTIFY_SOCKET": f"@{name[1:]}"},
                    stderr=log,
                )
            while b"READY=1" not in notified.recv(4096):
                pass

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(TIMEOUT_S)
            self._process = None

    def stop(self) -> int:
        """SIGTERM, and its exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(TIMEOUT_S)
        self._process = None
        return status
