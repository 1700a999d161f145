"""The processes of a run: watched line by line, and ended together."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

KEPT_LINES: Final = 400
"""The last lines of an output that are kept."""


class Ended(Exception):
    """The run was ended: nothing more is started."""


class Crew:
    """Every process is the leader of a group of its own, so that a terminal's Ctrl-C reaches the runner alone, which then ends
    them with all that they have started."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False

    def run(
        self,
        command: Sequence[str],
        *,
        seconds: float,
        variables: Mapping[str, str] | None = None,
        on_line: Callable[[str], object] = lambda _: None,
    ) -> tuple[int, list[str]]:
        """Run a program to its end, or for so many seconds; its exit status and the last lines of its output.

        Raises Ended.
        """
        with self._lock:
            if self._ended:
                raise Ended
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**self._environment, **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        timer = threading.Timer(seconds, _kill, [process])
        timer.start()
        lines: list[str] = []
        try:
            assert process.stdout is not None  # noqa: S101  (it is a pipe)
            with process.stdout as output:
                for line in output:
                    lines.append(line.rstrip("\n"))
                    del lines[:-KEPT_LINES]
                    on_line(lines[-1])
            status = process.wait()
        finally:
            timer.cancel()
            _kill(process)
            process.wait()
            with self._lock:
                self._running.discard(process)
        if self._ended:
            raise Ended
        return status, lines

    def end(self) -> None:
        """Kill everything, and let nothing more be started."""
        with self._lock:
            self._ended = True
            for process in self._running:
                _kill(process)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a whole group: libFuzzer starts itself again through a shell."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
