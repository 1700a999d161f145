"""The mutation gate: seeded contract bugs, each of which a black-box suite must see.

`python mutation/run.py [NAME...]` from anywhere; `nox -s mutation -- NAME` goes through the environment that the suites need.
"""

import argparse
import dataclasses
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import killers
import report
import suites
from gate import BaselineError, Gate, Verdict
from images import none_left
from killers import KillersError
from mutant import Mutant, MutantError, chosen, load_all
from seatrial import tier as tiers
from seatrial.errors import SeatrialError
from seatrial.failures import repro
from seatrial.results import reports
from seatrial.results.reports import RunResult
from seatrial.rules.plan import now
from suites import SuitesError
from trial import Interrupted, Runner

HERE: Final = Path(__file__).resolve().parent
GREEN, RED, USAGE, INTERRUPTED = 0, 1, 2, 130
LIMIT_S: Final = 600.0
"""How long one pytest run may take."""


def main(arguments: Sequence[str] | None = None, *, home: Path = HERE) -> int:
    """The command line; gives its exit status. `home` is the folder that holds the mutants."""
    asked = _parser().parse_args(arguments)
    try:
        mutants = chosen(load_all(home / "mutants"), asked.name, asked.service)
        known = killers.load(home / killers.FILE)
        known_suites = suites.load(home / suites.FILE, home.parent)
    except (MutantError, KillersError, SuitesError) as error:
        sys.stderr.write(f"mutation: {error}\n")
        return USAGE
    if asked.list:
        sys.stdout.writelines(f"{mutant.id:60} {mutant.breaks}\n" for mutant in mutants)
        return GREEN
    # A shell makes its background jobs deaf to SIGINT, and what they start too: nothing would hear Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    begun = _beginning(home.parent, asked)
    folder = home.parent / asked.reports
    reports.write(begun, folder)
    started = time.monotonic()
    try:
        verdicts = _run(home.parent, mutants, known_suites, known, asked.workers)
    except (KeyboardInterrupt, Interrupted):
        reports.write(_ended(begun, "interrupted", started), folder)
        sys.stderr.write("mutation: interrupted\n")
        return INTERRUPTED
    except (BaselineError, SeatrialError) as error:
        reports.write(_ended(begun, "failed", started, str(error)), folder)
        sys.stderr.write(f"mutation: {error}\n")
        return RED
    result = report.result_of(begun, verdicts, finished_at=now(), seconds=time.monotonic() - started)
    report.write(result, verdicts, folder)
    _say("")
    sys.stdout.writelines(f"{line}\n" for line in report.text(verdicts))
    if asked.record:
        killers.save(home / killers.FILE, _recorded(known, verdicts, load_all(home / "mutants")))
    return GREEN if result.state == "passed" else RED


def _run(
    checkout: Path,
    mutants: Sequence[Mutant],
    known_suites: Sequence[suites.Suite],
    known: killers.Killers,
    workers: int,
) -> list[Verdict]:
    made_of = {mutant.service for mutant in mutants}
    with tempfile.TemporaryDirectory(prefix="seatrial-mutation-") as name, none_left(made_of):
        folder = Path(name)
        # A cache of its own: builds of mutants push no other build out, and go with the folder.
        cache = {"SEATRIAL_CACHE": str(folder / "cache"), "PYTHONPATH": _python_path(checkout)}
        runner = Runner(checkout, sys.executable, limit_s=LIMIT_S, variables=cache)
        try:
            gate = Gate(
                checkout=checkout,
                folder=folder,
                runner=runner,
                suites=known_suites,
                killers=known,
                told=_say,
                workers=workers,
            )
            return gate.run(mutants)
        finally:
            runner.stop()


def _python_path(checkout: Path) -> str:
    return f"{checkout / 'integration'}:{checkout / 'integration' / 'harness'}"


def _beginning(root: Path, asked: argparse.Namespace) -> RunResult:
    budget = None
    if (root / tiers.FILE_NAME).exists():
        known = tiers.load(root / tiers.FILE_NAME)
        budget = next((tier.budget for tier in known if tier.name == report.TIER), None)
    return RunResult(
        tier=report.TIER,
        state="running",
        started_at=now(),
        budget_s=budget,
        revision=repro.revision(root),
        python=repro.python_version(),
        command=" ".join(["mutation/run.py", *asked.name]),
        artifacts=str(Path(asked.reports) / report.TIER),
        pid=os.getpid(),
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _ended(begun: RunResult, state: reports.State, started: float, *problems: str) -> RunResult:
    spent = round(time.monotonic() - started, 3)
    return dataclasses.replace(begun, state=state, finished_at=now(), duration_s=spent, problems=problems)


def _recorded(
    known: killers.Killers, verdicts: Sequence[Verdict], mutants: Sequence[Mutant]
) -> dict[str, str]:
    """What is known after this run, of the mutants that there are."""
    killed = {verdict.mutant.id: verdict.test for verdict in verdicts if verdict.fate == "killed"}
    return {mutant.id: test for mutant in mutants if (test := killed.get(mutant.id) or known.get(mutant.id))}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mutation/run.py", description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="*", help="mutants, by name or service/name; globs; all by default")
    parser.add_argument(
        "--service", action="append", default=[], help="mutants of this service alone; may be repeated"
    )
    parser.add_argument(
        "--workers", type=_workers, default=2, metavar="N", help="mutants tried at a time (2)"
    )
    parser.add_argument("--record", action="store_true", help="write the killing tests to killers.toml")
    parser.add_argument("--list", action="store_true", help="show the mutants and end")
    parser.add_argument("--reports", default="reports", metavar="DIR", help="where results go (reports)")
    return parser


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers (give 1 to 64)")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
