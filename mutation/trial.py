"""One pytest run of black-box tests on services built from a copy, and what it says about the mutant in that copy."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

from seatrial.results import reports
from seatrial.results.reports import Failure, ReportError

Word = Literal["passed", "failed", "broken"]

TEST_LIMIT_S: Final = 120
"""As in every tier: a test that takes longer hangs."""
STOP_S: Final = 30.0
"""How long a run that was interrupted may take down what it has started."""
NOTHING_RAN: Final = 5
"""The exit status of a pytest that found no test."""

_PLUGINS: Final = ("seatrial.plugin", "xdist.plugin", "pytest_timeout")
_DROPPED: Final = ("PYTEST_", "GITHUB_STEP_SUMMARY", "PYTHONDONTWRITEBYTECODE", "SEATRIAL_RUN")
"""Variables, by their beginning, that would let a run take itself for another one, or write where it must not."""
# What the harness says when a service could not be built, or was not there to be asked.
_NOT_BOOTED: Final = re.compile(
    r"^(?:\w+\.)*(BinaryError|ImageError|BuildFailed|SpawnError|ProcessDied|NotReady|StoreError|ServiceError)\b",
    re.MULTILINE,
)
_HUNG: Final = re.compile(r"^(?:Failed: )?Timeout\b", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to.

    `failed` means that a test that had its services running saw a promise broken; `broken` that the run tells nothing, and why.
    """

    word: Word
    seconds: float
    test: str = ""
    """The node id of the test that failed."""
    message: str = ""


class Interrupted(Exception):
    """The gate was asked to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What to run: test ids or folders, as which tier, on how many xdist workers (0: none)."""

    tests: Sequence[str]
    tier: str
    workers: int = 0
    fail_fast: bool = True


class Runner:
    """Runs pytest in the checkout; `stop` ends every run that goes on, from any thread."""

    def __init__(self, checkout: Path, python: str, *, limit_s: float, variables: Mapping[str, str]) -> None:
        """A run may take `limit_s` seconds; `variables` go into its environment."""
        self._checkout = checkout
        self._python = python
        self._limit_s = limit_s
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
        self._variables = {
            **kept,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONUNBUFFERED": "1",
            **variables,
        }
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, selection: Selection, place: Path, variables: Mapping[str, str]) -> Outcome:
        """Run tests; logs and results go to `place`, which is made. Raises Interrupted."""
        place.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with (place / "pytest.log").open("wb") as log:
            status = self._wait(self._start(self._command(selection, place), log, variables))
        seconds = time.monotonic() - started
        if status is None:
            return Outcome(
                word="broken", seconds=seconds, message=f"the run took longer than {self._limit_s:g} s"
            )
        return judge(place / "reports", selection.tier, status, seconds)

    def _command(self, selection: Selection, place: Path) -> list[str]:
        words = [self._python, "-m", "pytest", *(word for name in _PLUGINS for word in ("-p", name))]
        words += [
            "-p",
            "no:cacheprovider",
            "-q",
            f"--timeout={TEST_LIMIT_S}",
            f"--basetemp={place / 'basetemp'}",
        ]
        words += (
            ["-n", str(selection.workers), "--dist", "worksteal", "--max-worker-restart", "0"]
            if selection.workers
            else []
        )
        words += ["--maxfail", "1"] if selection.fail_fast else []
        words += ["--seatrial-tier", selection.tier, "--seatrial-reports", str(place / "reports")]
        return [*words, *selection.tests]

    def _start(
        self, command: Sequence[str], log: IO[bytes], variables: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise Interrupted
            # A session of its own: Ctrl-C reaches it through `stop` alone, once.
            process = subprocess.Popen(
                command,
                cwd=self._checkout,
                env={**self._variables, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def _wait(self, process: subprocess.Popen[bytes]) -> int | None:
        """The exit status; None for a run that took too long."""
        try:
            status = process.wait(self._limit_s)
        except subprocess.TimeoutExpired:
            end(process)
            return None
        except BaseException:  # Ctrl-C, where the main thread waits itself
            end(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            raise Interrupted
        return status

    def stop(self) -> None:
        """End what runs, as Ctrl-C would, and let nothing more begin; returns when all of it has ended."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGINT)
        for process in running:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a run: it may take down what it has started; what is left of it after that is killed."""
    _signal(process, signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def judge(folder: Path, tier: str, status: int, seconds: float) -> Outcome:
    """What the result file of a run says. A failure counts if the services ran and a test said what was wrong with them."""

    def broken(why: str, test: str = "") -> Outcome:
        return Outcome(word="broken", seconds=seconds, message=why, test=test)

    try:
        result = reports.load(folder, tier)
    except ReportError as error:
        return broken(str(error))
    if result is None:
        return broken(f"pytest ended with {status} before it could report")
    for failure in result.failures:
        if not unusable(failure):
            return Outcome(word="failed", seconds=seconds, test=failure.nodeid, message=failure.message)
    if result.failures:
        first = result.failures[0]
        return broken(f"{unusable(first)}: {first.message}", first.nodeid)
    if status == NOTHING_RAN or not result.counts.passed:
        return broken("no test ran")
    if result.problems or status not in (0, 1) or result.counts.skipped:
        return broken(
            "; ".join(result.problems) or f"pytest ended with {status}, {result.counts.skipped} skipped"
        )
    # Status 1 without a failure: the contracts' coverage has a hole, which is no test's word.
    return Outcome(word="passed", seconds=seconds)


def unusable(failure: Failure) -> str:
    """Why a failure says nothing about a contract; empty for one that does."""
    if failure.when == "collect":
        return "the tests cannot be collected"
    if failure.when == "crash":
        return "the process of the test died"
    if found := _NOT_BOOTED.search(failure.message):
        return f"a service was not there ({found[1]})"
    return "a test hung" if _HUNG.search(failure.message) else ""
