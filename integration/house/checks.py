"""Runs many checks at once, shows what each found, and says in the end which failed."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from seatrial.futures import as_completed


@dataclass(frozen=True, slots=True)
class Check:
    """A command that exits with 0 when there is nothing to say against the tree."""

    name: str
    command: Sequence[str]
    folder: Path
    remedy: str = ""
    """What to do about a finding, where its own words do not tell."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables for this check alone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check."""

    check: Check
    status: int
    output: str
    seconds: float


def run(checks: Sequence[Check], environment: Mapping[str, str], jobs: int) -> list[Outcome]:
    """Run every check, `jobs` at a time, print each as it ends, and return the outcomes in the checks' order."""
    outcomes: dict[int, Outcome] = {}
    with ThreadPoolExecutor(jobs) as pool:
        numbers = {pool.submit(_run, check, environment): number for number, check in enumerate(checks)}
        for future in as_completed(numbers.keys()):
            outcomes[numbers[future]] = future.result()
            _show(future.result())
    return [outcomes[number] for number in sorted(outcomes)]


def _run(check: Check, environment: Mapping[str, str]) -> Outcome:
    started = time.monotonic()
    try:
        ran = subprocess.run(
            check.command,
            cwd=check.folder,
            env={**environment, **check.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        return Outcome(check, 127, f"{error.filename}: {error.strerror}", time.monotonic() - started)
    return Outcome(check, ran.returncode, ran.stdout.strip(), time.monotonic() - started)


def _show(outcome: Outcome) -> None:
    verdict = "FAILED" if outcome.status else "ok"
    lines = [f"{verdict:<7}{outcome.check.name} ({outcome.seconds:.1f} s)"]
    if outcome.status:
        lines += [f"    {line}" for line in outcome.output.splitlines()]
        if outcome.check.remedy:
            lines.append(f"    remedy: {outcome.check.remedy}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
