"""One version as the coordinator holds it: its driver's process, and what can be asked of it."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from verdict import protocol
from verdict.protocol import ProtocolError, Reading

ANSWER_S: Final = 180.0
"""How long one answer may take; a build of every binary has longer."""
BUILD_S: Final = 900.0
_END_S: Final = 20.0
_STORY_LINES: Final = 15
_NOT_INHERITED: Final = ("PYTHON", "PYTEST_", "SEATRIAL_BOOT", "SEATRIAL_SERVICES")


class DriverFailed(Exception):
    """A driver died, or does not answer: the comparison cannot go on. Names the version, the reason, the log's last lines."""


class Refused(Exception):
    """A driver could not do what it was asked for; the words are its own."""


def driver_command(artifacts: Path) -> list[str]:
    """How a driver is started."""
    return [sys.executable, "-m", "verdict.driver", str(artifacts)]


class Side:
    """A version's driver: `with Side("A", ...) as side`. It is ended with everything that it has booted."""

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str],
        variables: Mapping[str, str],
        log: Path,
        say: Callable[[str], None],
        patience: float = ANSWER_S,
    ) -> None:
        self.name = name
        self._patience = patience
        self.log = log
        self._command = command
        self._variables = variables
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def __enter__(self) -> Self:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**kept, **self._variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the coordinator, which ends both
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running
        if kind is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
        with contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None  # noqa: S101 - a pipe was asked for
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            # Its warden ends what it has booted.
            process.kill()
            process.wait()
        assert process.stdout is not None  # noqa: S101
        process.stdout.close()

    @property
    def pid(self) -> int:
        """The driver's process."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise DriverFailed(f"{self.name}: its driver was not started")
        return self._process

    def build(self, capabilities: Sequence[str]) -> None:
        """Build the version's binaries. Raises DriverFailed and Refused, as every question does."""
        self._ask("build", capabilities=list(capabilities), within=BUILD_S)

    def open(self, rig: str) -> None:
        """Boot a rig."""
        self._ask("open", rig=rig)

    def prepare(self, metric: str, warm_up: int) -> None:
        """Make ready for samples of a metric, and throw the first ones away."""
        self._ask("prepare", metric=metric, warm_up=warm_up)

    def sample(self, metric: str, count: int) -> list[Reading]:
        """Take samples."""
        answer = self._ask("sample", metric=metric, count=count)
        try:
            return protocol.readings(answer, count)
        except ProtocolError as error:
            raise DriverFailed(f"{self.name}: {metric}: {error}") from None

    def finish(self, metric: str) -> None:
        """No more samples of a metric in this epoch."""
        self._ask("finish", metric=metric)

    def close(self) -> None:
        """Take the rig down, with all checks."""
        self._ask("close")

    def _ask(self, verb: str, *, within: float | None = None, **arguments: Any) -> dict[str, Any]:
        process = self._running
        assert process.stdin is not None  # noqa: S101
        try:
            process.stdin.write(protocol.encode({"ask": verb, **arguments}))
            process.stdin.flush()
        except BrokenPipeError:
            raise self._died(verb) from None
        deadline = time.monotonic() + (self._patience if within is None else within)
        while True:
            line = self._line(verb, deadline)
            try:
                answer = protocol.decode(line)
            except ProtocolError as error:
                raise DriverFailed(f"{self.name}: to {verb} its driver answered {error}") from None
            if "progress" in answer:
                self._say(f"{self.name}: {answer['progress']}")
            elif "error" in answer:
                raise Refused(str(answer["error"]))
            else:
                return answer

    def _line(self, verb: str, deadline: float) -> bytes:
        stdout = self._running.stdout
        assert stdout is not None  # noqa: S101
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    raise DriverFailed(
                        f"{self.name}: its driver did not answer {verb} in time; {self._story()}"
                    )
                chunk = os.read(stdout.fileno(), protocol.LONGEST_LINE)
                if not chunk:
                    raise self._died(verb)
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _died(self, verb: str) -> DriverFailed:
        status = self._running.wait()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return DriverFailed(
            f"{self.name}: its driver ended {how} when it was asked to {verb}; {self._story()}"
        )

    def _story(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_STORY_LINES:]
        return "\n".join([f"its log {self.log} ends so:", *(f"  {line}" for line in lines)])
