"""The runs of a tier as processes: of pytest, or of a program of the tier's own; each leaves its result in `reports/<tier>/`."""

import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from house import results
from seatrial.tier import Run

NO_TESTS: Final = 5
"""The exit status of a pytest that found no test."""


def labels(runs: Sequence[Run]) -> Iterator[tuple[Run, str]]:
    """Each run with a name of its own: its environment's, with a number from the second one on."""
    seen: Counter[str] = Counter()
    for run in runs:
        seen[run.environment] += 1
        number = seen[run.environment]
        yield run, run.environment if number == 1 else f"{run.environment}-{number}"


@dataclass(slots=True)
class PytestRun:
    """One run of pytest. The harness' plugin reports by itself; without it the result comes from a JUnit file."""

    root: Path
    tier: str
    label: str
    """Which of the tier's runs it is."""
    command: Sequence[str]
    by_plugin: bool
    """Whether the harness' plugin is loaded in it."""
    may_be_empty: bool
    """Whether it may find no test: somebody chose among them."""
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)

    @property
    def _junit(self) -> Path:
        return self.root / results.REPORTS / self.tier / f"{self.label}.xml"

    def start(self, variables: Mapping[str, str], output: IO[str] | None = None) -> None:
        """Start it, in the root of the repository."""
        if self.by_plugin:
            options = ["--seatrial-tier", self.tier, "--seatrial-run", self.label]
        else:
            self._junit.unlink(missing_ok=True)
            options = [f"--junit-xml={self._junit}", "-o", "junit_family=xunit1"]
        results.announce(self.root, self.tier, self.label)
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [*self.command, *options], cwd=self.root, env=variables, stdout=output
        )

    def wait(self) -> int:
        """Wait for its end and keep its result; answers pytest's exit status."""
        if self._process is None:
            raise RuntimeError(f"{self.tier}: {self.label} was not started")
        try:
            status = self._process.wait()
        except KeyboardInterrupt:
            # Ctrl-C reached pytest as well: it tears its environments down, and this must not end before it.
            self._keep(self._process.wait())
            raise
        self._keep(status)
        return status

    def _keep(self, status: int) -> None:
        if status == NO_TESTS and self.may_be_empty:
            results.withdraw(self.root, self.tier, self.label)
        elif not self.by_plugin:
            seconds = time.monotonic() - self._started
            result = results.of_pytest(
                self.root, self.tier, self.label, self._junit, self.command, seconds, status
            )
            results.save(self.root, result, self.label)


def run_program(root: Path, tier: str, command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a tier's own program, which writes its result itself; answers its exit status."""
    results.announce(root, tier)
    process = subprocess.Popen(command, cwd=root, env=variables)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
