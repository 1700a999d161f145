"""One target's run: fuzz, and what is done with what was found."""

import hashlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.crew import Crew
from runner.libfuzzer import FuzzerFault, LibFuzzer, Limits, Statistics
from runner.regression import Regression, write
from runner.room import Room

COMPACT_AT: Final = 3000
"""So many inputs of a private corpus make it be reduced to those that still add coverage."""
_VERDICT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a target's run came to."""

    target: str
    statistics: Statistics
    seconds: float
    corpus: int
    """Inputs in the tree."""
    private: int
    """Inputs that are kept between runs, beside the tree."""
    kept: tuple[str, ...] = ()
    """Inputs that were added to the tree, by name."""
    regression: Regression | None = None
    fault: str = ""
    """Why the target could not be run."""

    @property
    def green(self) -> bool:
        """Whether nothing broke."""
        return self.regression is None and not self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Fuzzes targets of a room. `work` vanishes later, `private` has a folder for each target that is kept, and grows."""

    room: Room
    crew: Crew
    work: Path
    private: Path
    reports: Path
    seconds: int
    keep: bool
    """Whether inputs that add coverage become part of the tree."""
    limits: Limits
    clock: Callable[[], float]

    def run(self, target: str, on_progress: Callable[[Statistics], object]) -> Outcome:
        """Run one target. Raises Ended."""
        begun = self.clock()
        fuzzer = LibFuzzer(self.crew, target, self.work / target, self.limits)
        private, tree = self.private / target, self.room.corpus(target)
        private.mkdir(parents=True, exist_ok=True)
        statistics, regression, fault = Statistics(), None, ""
        kept: tuple[str, ...] = ()
        corpora = [private, *([tree] if tree.is_dir() else [])]
        try:
            statistics, crasher = fuzzer.fuzz(corpora, seconds=self.seconds, on_progress=on_progress)
            if crasher is not None:
                regression = write(self.room, fuzzer.minimise(crasher), target, self.reports)
            elif self.keep:
                kept = self._keep(fuzzer, target, private)
            if crasher is None and len(list(private.iterdir())) > COMPACT_AT:
                self._compact(fuzzer, target, private)
        except FuzzerFault as problem:
            fault = str(problem)
        return Outcome(
            target=target,
            statistics=statistics,
            seconds=self.clock() - begun,
            corpus=len(self.room.inputs(target)),
            private=len(list(private.iterdir())),
            kept=kept,
            regression=regression,
            fault=fault,
        )

    def _keep(self, fuzzer: LibFuzzer, target: str, private: Path) -> tuple[str, ...]:
        """Add to the tree what adds coverage to it, under a name that says whether it is accepted."""
        stage = self.work / target / "tree"
        tree = self.room.corpus(target)
        stage.mkdir()
        for file in self.room.inputs(target):
            shutil.copy(file, stage)
        new = fuzzer.merge(stage, [private])
        if not new:
            return ()
        command = [sys.executable, "-m", "runner.room", target, *map(str, new)]
        status, lines = self.crew.run(command, seconds=_VERDICT_S)
        if status or len(lines) != len(new):
            raise FuzzerFault(f"new inputs could not be judged: {' '.join(lines[-5:])}")
        names = []
        tree.mkdir(parents=True, exist_ok=True)
        for file, verdict in zip(new, lines, strict=True):
            data = file.read_bytes()
            names.append(f"{verdict}_found_{hashlib.sha256(data).hexdigest()[:8]}")
            (tree / names[-1]).write_bytes(data)
        return tuple(sorted(names))

    def _compact(self, fuzzer: LibFuzzer, target: str, private: Path) -> None:
        """Reduce the private corpus to what still adds coverage."""
        less = private.with_name(f".{target}.new")
        shutil.rmtree(less, ignore_errors=True)
        less.mkdir()
        fuzzer.merge(less, [private])
        shutil.rmtree(private)
        less.rename(private)
