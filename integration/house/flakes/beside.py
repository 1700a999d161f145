"""Runs of test modules beside each other: several pytest processes at once, each with a seed and a directory of its own."""

import os
import selectors
import shlex
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from house.flakes.modules import Module
from seatrial.failures import repro
from seatrial.processes.spawn import dies_with_parent
from seatrial.results import reports
from seatrial.results.reports import ReportError, RunResult

OUTPUT: Final = "output.txt"
_STOP_TIMEOUT_S: Final = 60.0
_NOT_INHERITED: Final = ("PYTHON", "PYTEST_", "GITHUB_STEP_SUMMARY")


def variables(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of the runs: this one without what changes how Python or pytest work, and more."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUNBUFFERED": "1", **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run of a module that is to be made."""

    module: Module
    number: int
    """From 1."""
    seed: int
    python: str
    """The interpreter, as it is called from the root."""
    options: tuple[str, ...]
    """Of pytest; where results go is not among them."""
    folder: Path
    """Where its results go: removed when it passes."""

    def words(self) -> list[str]:
        """All that pytest is told, in random order by the seed."""
        tier, order = f"--seatrial-tier={self.module.tier}", "--seatrial-order=random"
        return [*self.options, tier, order, f"--seatrial-seed={self.seed}"]

    def command(self) -> list[str]:
        """The command that makes it."""
        reports_option = f"--seatrial-reports={self.folder}"
        return [self.python, "-m", "pytest", *self.words(), reports_option, str(self.module)]

    def repeat(self, environment: Mapping[str, str], more: Mapping[str, str]) -> str:
        """The line that a person types to make it again, alone; `more` is what `variables` was given."""
        line = repro.command(
            str(self.module), options=self.words(), environment=environment, python=shlex.quote(self.python)
        )
        unnamed = more.keys() - repro.environment_that_matters(more).keys()
        return " ".join([*(f"{name}={shlex.quote(more[name])}" for name in sorted(unnamed)), line])


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an attempt."""

    attempt: Attempt
    seconds: float
    status: int
    """pytest's exit status; negative for the signal that ended it."""
    result: RunResult | None
    """None when it ended before it could report."""

    @property
    def passed(self) -> bool:
        """Whether nothing is held against it."""
        return self.status == 0 and self.result is not None and self.result.state == "passed"


@dataclass(frozen=True, slots=True)
class _Running:
    attempt: Attempt
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    started: float


class Beside:
    """Makes attempts; a context manager, at whose end nothing of them runs any more."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._environment = environment
        self._selector = selectors.DefaultSelector()
        self._running: dict[int, _Running] = {}

    def __enter__(self) -> "Beside":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._selector.close()

    def make(self, attempts: Iterable[Attempt], *, beside: int, deadline: float) -> Iterator[Outcome]:
        """Make attempts, so many at once, and give the outcome of each as it ends.

        At the deadline, on the monotonic clock in seconds, it stops those that run, and starts no other.
        """
        waiting = deque(attempts)
        while (waiting or self._running) and time.monotonic() < deadline:
            while waiting and len(self._running) < beside:
                self._start(waiting.popleft())
            for key, _ in self._selector.select(max(0.0, deadline - time.monotonic())):
                yield self._ended(key.fd)
        self.stop()

    def stop(self) -> None:
        """End what runs, as Ctrl-C does; what was not over leaves no results. Idempotent."""
        running = [self._forget(descriptor) for descriptor in list(self._running)]
        for each in running:
            each.process.send_signal(signal.SIGINT)
        ends_by = time.monotonic() + _STOP_TIMEOUT_S
        for each in running:
            with suppress(subprocess.TimeoutExpired):
                each.process.wait(max(0.0, ends_by - time.monotonic()))
            # Whoever kills pytest leaves the rest to its warden
            each.process.kill()
            each.process.wait()
            shutil.rmtree(each.attempt.folder, ignore_errors=True)

    def _start(self, attempt: Attempt) -> None:
        attempt.folder.mkdir(parents=True)
        output = (attempt.folder / OUTPUT).open("wb")
        # A session of its own: Ctrl-C reaches it through `stop` alone, once, whoever else the terminal sends it to
        process = subprocess.Popen(
            [*dies_with_parent(), *attempt.command()],
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        descriptor = os.pidfd_open(process.pid)
        self._running[descriptor] = _Running(attempt, process, output, time.monotonic())
        self._selector.register(descriptor, selectors.EVENT_READ)

    def _ended(self, descriptor: int) -> Outcome:
        each = self._forget(descriptor)
        status = each.process.wait()
        outcome = Outcome(
            attempt=each.attempt,
            seconds=time.monotonic() - each.started,
            status=status,
            result=_result(each.attempt),
        )
        if outcome.passed:
            shutil.rmtree(each.attempt.folder)
        return outcome

    def _forget(self, descriptor: int) -> _Running:
        each = self._running.pop(descriptor)
        self._selector.unregister(descriptor)
        os.close(descriptor)
        each.output.close()
        return each


def last_lines(attempt: Attempt, count: int) -> Sequence[str]:
    """The end of what pytest said."""
    text = (attempt.folder / OUTPUT).read_text(encoding="utf-8", errors="replace")
    return text.splitlines()[-count:]


def _result(attempt: Attempt) -> RunResult | None:
    try:
        return reports.read(reports.path_of(attempt.folder, attempt.module.tier))
    except ReportError:
        return None
