"""libFuzzer as a program: fuzz, minimise, merge; what it says, read.

Its options and its output: https://llvm.org/docs/LibFuzzer.html, "Options" and "Output".
"""

import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from runner.child import EXCEPTION, LAUNCHER, NOT_INSTRUMENTED
from runner.crew import Crew

Kind = Literal["crash", "hang", "memory"]

MINIMISE_MOST_S: Final = 60
"""Minimising ends after so long, whatever it has found."""
MERGE_MOST_S: Final = 300
_STARTING_S: Final = 120
"""How much longer than its time box a run may take: imports, the first pass over the corpus."""

_KINDS: Final[dict[str, Kind]] = {"crash": "crash", "leak": "crash", "timeout": "hang", "oom": "memory"}
_STATUS: Final = re.compile(
    r"#(\d+)\s+(\w+)\s+cov: (\d+) ft: (\d+)(?: corp: (\d+)/\S+)?(?:.*exec/s: (\d+))?(?:.*rss: (\d+)Mb)?"
)
_FINAL: Final = re.compile(r"stat::(\w+):\s+(\d+)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one input may cost, and what a crasher may."""

    input_s: int = 10
    """Seconds for one input; more is a hang."""
    memory_mb: int = 2048
    """Megabytes for the process; more is a crasher."""
    minimise_s: int = 10
    """Seconds in which a round of minimising must find something smaller, or is the last one."""


class FuzzerFault(Exception):
    """libFuzzer could not run a target; the end of its output says why."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a run came to so far. A feature is what libFuzzer counts as coverage: an edge with how often it was taken."""

    executions: int = 0
    executions_per_s: int = 0
    edges: int = 0
    features: int = 0
    features_of_corpus: int = 0
    """Those that the corpus had when the run began."""
    inputs: int = 0
    """The corpus in memory: the smallest that has all features."""
    added: int = 0
    """Inputs that were found and kept."""
    rss_mb: int = 0

    def after(self, line: str) -> "Statistics":
        """The same, when libFuzzer has said one more line."""
        if status := _STATUS.match(line):
            count, what, edges, features, inputs, speed, rss = status.groups(default="0")
            begun = int(features) if what == "INITED" else self.features_of_corpus
            return replace(
                self, executions=int(count), edges=int(edges), features=int(features), features_of_corpus=begun,
                inputs=int(inputs) or self.inputs, executions_per_s=int(speed), rss_mb=int(rss),
            )  # fmt: skip
        if final := _FINAL.match(line):
            name, value = final[1], int(final[2])
            names = {
                "number_of_executed_units": "executions", "average_exec_per_sec": "executions_per_s",
                "new_units_added": "added", "peak_rss_mb": "rss_mb",
            }  # fmt: skip
            return replace(self, **{names[name]: value}) if name in names else self
        return self


@dataclass(frozen=True, slots=True)
class Crasher:
    """An input that broke something, and what libFuzzer and Python said of it."""

    kind: Kind
    data: bytes
    output: tuple[str, ...]


class LibFuzzer:
    """One target. `work` is a folder of its own that vanishes later; its path must have no space, see `usable`."""

    def __init__(self, crew: Crew, target: str, work: Path, limits: Limits) -> None:
        self._crew = crew
        self._limits = limits
        self._work = work
        self._found = work / "found"
        self._found.mkdir(parents=True)
        self._launcher = work / "launch"
        command = shlex.join([sys.executable, "-m", "runner.child", target])
        self._launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        self._launcher.chmod(0o700)

    def fuzz(
        self,
        corpora: Sequence[Path],
        *,
        seconds: int,
        on_progress: Callable[[Statistics], object] = lambda _: None,
    ) -> tuple[Statistics, Crasher | None]:
        """Fuzz for so long, or until something breaks; what is found goes to the first folder. Raises FuzzerFault and Ended."""
        statistics = Statistics()

        def heard(line: str) -> None:
            nonlocal statistics
            now = statistics.after(line)
            if now is not statistics:
                statistics = now
                on_progress(now)

        options = [
            f"-max_total_time={seconds}",
            "-print_final_stats=1",
            *self._bounds(),
            "-report_slow_units=1000",
            f"-artifact_prefix={self._found}/",
        ]
        status, lines = self._run([*options, *self._folders(corpora)], seconds + _STARTING_S, heard)
        crasher = self._crasher(lines)
        if status and crasher is None:
            raise FuzzerFault(_told(status, lines))
        return statistics, crasher

    def minimise(self, crasher: Crasher) -> Crasher:
        """A smaller input that breaks something, and what is said of it; the same one where none is found in time.

        A hang and a full memory stay as they are: each try would cost all of their time or room again. Raises Ended.
        """
        if crasher.kind != "crash":
            return crasher
        given, smaller = self._work / "crasher", self._work / "smaller"
        given.write_bytes(crasher.data)
        options = [
            "-minimize_crash=1",
            f"-max_total_time={self._limits.minimise_s}",
            *self._bounds(),
            f"-exact_artifact_path={smaller}",
        ]
        self._run([*options, str(given)], MINIMISE_MOST_S)
        if not smaller.exists():
            return crasher
        shutil.rmtree(self._found)
        self._found.mkdir()
        options = [f"-artifact_prefix={self._found}/", *self._bounds()]
        _, lines = self._run([*options, str(smaller)], _STARTING_S)
        data = smaller.read_bytes()
        return Crasher("crash", data, tuple(lines)) if _said(lines) else crasher

    def merge(self, into: Path, others: Sequence[Path]) -> list[Path]:
        """Copy the inputs of other folders that add coverage, the smallest ones; gives the copies. Raises FuzzerFault, Ended."""
        before = set(into.iterdir())
        options = ["-merge=1", *self._bounds(), f"-artifact_prefix={self._found}/"]
        status, lines = self._run([*options, *self._folders([into, *others])], MERGE_MOST_S)
        if status:
            raise FuzzerFault(_told(status, lines))
        return sorted(set(into.iterdir()) - before)

    def _bounds(self) -> list[str]:
        return [f"-timeout={self._limits.input_s}", f"-rss_limit_mb={self._limits.memory_mb}"]

    def _run(
        self, arguments: Sequence[str], seconds: float, on_line: Callable[[str], object] = lambda _: None
    ) -> tuple[int, list[str]]:
        launcher = str(self._launcher)
        return self._crew.run(
            [launcher, *arguments], seconds=seconds, variables={LAUNCHER: launcher}, on_line=on_line
        )

    def _folders(self, corpora: Sequence[Path]) -> list[str]:
        """Links to folders, whose own paths libFuzzer could not pass on."""
        links = []
        for number, folder in enumerate(corpora):
            link = self._work / f"corpus-{number}"
            link.unlink(missing_ok=True)
            link.symlink_to(folder, target_is_directory=True)
            links.append(str(link))
        return links

    def _crasher(self, lines: Sequence[str]) -> Crasher | None:
        for file in sorted(self._found.iterdir()):
            if kind := _KINDS.get(file.name.partition("-")[0]):
                return Crasher(kind, file.read_bytes(), tuple(lines))
        return None


def usable(folder: Path) -> bool:
    """Whether libFuzzer can pass on the path: it writes commands for a shell without quoting."""
    return re.fullmatch(r"[A-Za-z0-9/._+-]+", str(folder)) is not None


def _said(lines: Sequence[str]) -> bool:
    return any(EXCEPTION in line or "ERROR: libFuzzer" in line for line in lines)


def _told(status: int, lines: Sequence[str]) -> str:
    """What went wrong in one line, then the end of the output."""
    what = "is not instrumented" if status == NOT_INSTRUMENTED else f"ended with status {status}"
    end = [line for line in lines[-20:] if line.strip() and not line.startswith("INFO:")]
    return "\n".join([f"{what}: {end[-1] if end else 'it said nothing'}", *end[:-1]])
