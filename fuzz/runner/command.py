"""The command line: all targets, or those that are named, each for its time, some at a time."""

import argparse
import importlib.util
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from seatrial import tier
from seatrial.failures.repro import revision
from seatrial.futures import as_completed
from seatrial.results import summary
from seatrial.results.reports import State, path_of
from seatrial.results.reports import write as write_result

from runner import report
from runner.campaign import Campaign, Outcome
from runner.crew import Crew, Ended
from runner.libfuzzer import Limits, Statistics, usable
from runner.room import Room, UnknownTarget

HERE: Final = Path(__file__).parents[1]
BUDGET_S: Final = 30 * 60
"""What the tier may take when no tiers file says so."""
SHARE: Final = 0.85
"""How much of the budget is for fuzzing; the rest is for environments, minimising and merging."""
OVERHEAD_S: Final = 4
"""What a target costs beside its time box: instrumenting what it imports, and the first pass over its corpus."""
LEAST_S: Final = 5
PULSE_S: Final = 15.0
"""How often a target that runs says how it is."""

GREEN: Final = 0
RED: Final = 1
MISTAKE: Final = 2
INTERRUPTED: Final = 130


class Mistake(Exception):
    """Something that whoever started this can mend; names the thing, the reason and the remedy."""


def parser() -> argparse.ArgumentParser:
    """What can be given."""
    given = argparse.ArgumentParser(
        prog="fuzz/run.py",
        description="Fuzz the targets, guided by coverage; a crasher becomes an input of the corpus.",
    )
    given.add_argument("targets", nargs="*", metavar="TARGET", help="all of fuzz/targets without one")
    given.add_argument(
        "--seconds", type=_positive, help="time for each target; default: what fits into the tier's budget"
    )
    given.add_argument(
        "--jobs", type=_positive, default=2, help="how many targets run at a time (%(default)s)"
    )
    given.add_argument(
        "--input-seconds",
        type=_positive,
        default=10,
        help="one input may take so long; more is a hang (%(default)s)",
    )
    given.add_argument(
        "--memory",
        type=_positive,
        default=2048,
        help="megabytes for a target; more is a crasher (%(default)s)",
    )
    given.add_argument(
        "--minimise-seconds",
        type=_positive,
        default=10,
        help="a crasher is minimised until nothing smaller was found for so long (%(default)s)",
    )
    given.add_argument(
        "--keep", action="store_true", help="add inputs with new coverage to the corpus in the tree"
    )
    given.add_argument("--list", action="store_true", help="name the targets and end")
    given.add_argument(
        "--room", type=Path, default=HERE, help="the folder with targets/ and corpus/ (%(default)s)"
    )
    given.add_argument(
        "--reports", type=Path, default=Path("reports"), help="where results are written (%(default)s)"
    )
    return given


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Run; gives the exit status: 0 green, 1 for a crasher or a target that could not run, 2 for a mistake, 130 for Ctrl-C."""
    options = parser().parse_args(arguments)
    room = Room(options.room.resolve())
    try:
        targets = room.chosen(options.targets)
        if options.list:
            print(*targets, sep="\n")
            return GREEN
        _require_atheris()
        run = _Run(room, targets, options, shlex.join([sys.executable, "fuzz/run.py", *arguments]))
        return run.run()
    except (Mistake, UnknownTarget) as mistake:
        print(f"fuzz: {mistake}", file=sys.stderr)
        return MISTAKE


def _require_atheris() -> None:
    if importlib.util.find_spec("atheris") is None:
        raise Mistake(
            f"atheris is not installed for Python {platform.python_version()} on {sys.platform} {platform.machine()}"
            " (its wheels are for CPython 3.11 to 3.13 on Linux x86_64: run `nox -s fuzz` there; what the corpora hold is"
            " replayed everywhere by `nox -s integration_quick -- fuzz/targets/replay_test.py`)"
        )


class _Run:
    """All targets of one command."""

    def __init__(self, room: Room, targets: list[str], options: argparse.Namespace, command: str) -> None:
        self._room = room
        self._targets = targets
        self._jobs = min(options.jobs, len(targets))
        self._budget = _budget_s(room)
        self._seconds: int = options.seconds or box_s(self._budget, len(targets), self._jobs)
        self._keep: bool = options.keep
        self._limits = Limits(options.input_seconds, options.memory, options.minimise_seconds)
        self._reports: Path = options.reports.resolve()
        self._command = command
        self._outcomes: list[Outcome] = []
        self._begun = time.monotonic()
        self._revision = revision(room.folder)

    def run(self) -> int:
        """Run them; writes the reports."""
        print(
            f"fuzz: {len(self._targets)} targets, {self._seconds} s each, {self._jobs} at a time", flush=True
        )
        state: State = "interrupted"
        try:
            self._save("running")
            with tempfile.TemporaryDirectory(prefix="seatrial-fuzz-") as work:
                if not usable(Path(work)):
                    raise Mistake(
                        f"{work} is no path that libFuzzer can pass on (set TMPDIR to one without spaces)"
                    )
                self._run_all(Path(work))
            state = "passed" if all(outcome.green for outcome in self._outcomes) else "failed"
        except KeyboardInterrupt:
            print("fuzz: interrupted; every process was ended", file=sys.stderr, flush=True)
        finally:
            self._finish(state)
        return {"passed": GREEN, "failed": RED}.get(state, INTERRUPTED)

    def _run_all(self, work: Path) -> None:
        paths = [str(self._room.folder), str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": os.pathsep.join(paths),
        }
        crew = Crew(environment, work)
        campaign = Campaign(
            room=self._room,
            crew=crew,
            work=work,
            private=_private(self._room),
            reports=self._reports / report.TIER,
            seconds=self._seconds,
            keep=self._keep,
            limits=self._limits,
            clock=time.monotonic,
        )
        with ThreadPoolExecutor(self._jobs) as pool, _ending(crew):
            futures = [pool.submit(campaign.run, target, _Pulse(target)) for target in self._targets]
            for future in as_completed(futures):
                outcome = future.result()
                self._outcomes.append(outcome)
                print(f"[{len(self._outcomes)}/{len(self._targets)}] {_line(outcome)}", flush=True)
                self._save("running")

    def _finish(self, state: State) -> None:
        self._outcomes.sort(key=lambda outcome: outcome.target)
        print(f"\n{report.table(self._outcomes)}\n", flush=True)
        for outcome in self._outcomes:
            if outcome.regression is not None:
                print(f"{outcome.regression.file}\n{_indented(outcome.regression.message)}\n")
            elif outcome.fault:
                print(f"{outcome.target}: {_indented(outcome.fault).strip()}\n")
        report.write_raw(self._outcomes, self._room.folder, self._reports)
        self._save(state)
        result = path_of(self._reports, report.TIER)
        print(f"fuzz: {state}; {result} and {report.RAW} beside it", flush=True)
        if page := os.environ.get(summary.JOB_PAGE):
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(f"### fuzz: {state}\n{report.markdown(self._outcomes)}")

    def _save(self, state: State) -> None:
        result = report.result(
            self._outcomes,
            state=state,
            revision=self._revision,
            reports=self._reports,
            seconds=time.monotonic() - self._begun,
            budget_s=self._budget,
            command=self._command,
        )
        write_result(result, self._reports)


class _Pulse:
    """Says now and then how a target is."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._due = time.monotonic() + PULSE_S

    def __call__(self, now: Statistics) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + PULSE_S
            print(
                f"  {self._target}: {now.executions:,} executions, {now.executions_per_s:,} a second,"
                f" {now.features:,} features",
                flush=True,
            )


@contextmanager
def _ending(crew: Crew) -> Iterator[None]:
    """End every process when what is inside ends early, so that the threads that wait for them end too."""
    try:
        yield
    except Ended:
        raise KeyboardInterrupt from None
    finally:
        crew.end()


def box_s(budget_s: int, targets: int, jobs: int) -> int:
    """How long each target may run so that all of them fit into a budget, in whole seconds."""
    return max(LEAST_S, int(budget_s * SHARE * jobs / targets) - OVERHEAD_S)


def _budget_s(room: Room) -> int:
    file = tier.find(room.folder)
    tiers = tier.load(file) if file else None
    return tiers[report.TIER].budget if tiers and report.TIER in tiers.tiers else BUDGET_S


def _private(room: Room) -> Path:
    """Where corpora grow between runs: `$SEATRIAL_CACHE/fuzz`, or `.seatrial/fuzz` beside the room."""
    named = os.environ.get("SEATRIAL_CACHE")
    folder = Path(named).absolute() / "fuzz" if named else room.folder.parent / ".seatrial" / "fuzz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(
            f"{folder} cannot be made: {error.strerror} (set SEATRIAL_CACHE to a writable folder)"
        ) from None
    return folder


def _line(outcome: Outcome) -> str:
    numbers = outcome.statistics
    told = f"{outcome.target}: {numbers.executions:,} executions, {numbers.executions_per_s:,} a second"
    if outcome.kept:
        told += f", {len(outcome.kept)} inputs added to the tree"
    return told if outcome.green else f"{told}: RED: {report.verdict(outcome)}"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
