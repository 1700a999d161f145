"""The gate: every mutant must be killed by a test that passes without it."""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Literal

from mutant import Mutant
from patch import PatchError
from seatrial.futures import as_completed
from suites import Suite, suite_of
from tree import Tree
from trial import Outcome, Runner, Selection

Fate = Literal["killed", "survived", "broken", "stale"]

SUITE_WORKERS: Final = 2
"""pytest-xdist workers of a whole suite, in each of the gate's workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    fate: Fate
    seconds: float
    test: str = ""
    """The test that killed it; of a broken one, the test that could not tell."""
    suite: str = ""
    message: str = ""
    """What the test said; for a red one, what is wrong."""


class BaselineError(Exception):
    """Tests fail without any mutant: nothing that follows would mean anything. The text names the test and what it said."""


class Gate:
    """Tries mutants, several at a time, each in a tree of its own."""

    def __init__(
        self,
        *,
        checkout: Path,
        folder: Path,
        runner: Runner,
        suites: Sequence[Suite],
        killers: Mapping[str, str],
        told: Callable[[str], None],
        workers: int,
    ) -> None:
        """`folder` is for everything that is made, and is removed by the caller; `told` is called with each line of progress."""
        self._checkout = checkout
        self._folder = folder
        self._runner = runner
        self._suites = list(suites)
        self._killers = killers
        self._told = told
        self._workers = workers
        self._plain = Tree.copy(checkout, folder / "plain")
        self._confirmed: set[str] = set()
        self._lock = threading.Lock()
        self._confirming = threading.Lock()
        self._number = 0

    def run(self, mutants: Sequence[Mutant]) -> list[Verdict]:
        """Try them all. Raises BaselineError, and Interrupted when the runner was stopped."""
        self._baseline(mutants)
        # Of one service after the other: what the suites build beside it is built once for all of them.
        waiting: SimpleQueue[Mutant] = SimpleQueue()
        for mutant in mutants:
            waiting.put(mutant)
        verdicts: list[Verdict] = []

        def work(number: int) -> None:
            tree = Tree.copy(self._checkout, self._folder / f"tree-{number}")
            while True:
                try:
                    mutant = waiting.get_nowait()
                except Empty:
                    return
                verdict = self._try(mutant, tree)
                with self._lock:
                    verdicts.append(verdict)
                    self._told(_line(verdict, len(verdicts), len(mutants)))

        self._together(work, min(self._workers, len(mutants)))
        order = {mutant.id: place for place, mutant in enumerate(mutants)}
        return sorted(verdicts, key=lambda verdict: order[verdict.mutant.id])

    def _together(self, work: Callable[[int], None], workers: int) -> None:
        with ThreadPoolExecutor(workers) as pool:
            running = [pool.submit(work, number) for number in range(workers)]
            try:
                for each in as_completed(running):
                    each.result()
            except BaseException:
                self._runner.stop()
                raise

    # Without a mutant

    def _baseline(self, mutants: Sequence[Mutant]) -> None:
        """Run the tests that are to kill, on what is unchanged: they must pass. Raises BaselineError."""
        tests = sorted({self._killers[mutant.id] for mutant in mutants if mutant.id in self._killers})
        grouped = [
            (suite, [test for test in tests if suite_of(self._suites, test) == suite])
            for suite in self._suites
        ]
        for tier, group in groupby(grouped, key=lambda pair: pair[0].tier):
            chosen = [test for _, some in group for test in some]
            if not chosen:
                continue
            self._told(f"without a mutant: {len(chosen)} tests of the tier {tier}")
            selection = Selection(tests=chosen, tier=tier, workers=2 * SUITE_WORKERS, fail_fast=False)
            outcome = self._run(selection, self._plain)
            if outcome.word == "broken" and outcome.message == "no test ran":
                continue  # each is found out when its mutant is tried
            if outcome.word != "passed":
                raise BaselineError(f"without a mutant: {_failing(outcome)}")
            self._confirmed.update(chosen)

    def _confirm(self, test: str, suite: Suite) -> Outcome | None:
        """Run a test without a mutant unless it has passed before; what it came to if it did not pass."""
        with self._confirming:
            if not self._confirmed.isdisjoint((test, _function(test))):
                return None
            outcome = self._run(Selection(tests=[test], tier=suite.tier), self._plain)
            if outcome.word == "passed":
                self._confirmed.add(test)
                return None
            return outcome

    # With a mutant

    def _try(self, mutant: Mutant, tree: Tree) -> Verdict:
        began = time.monotonic()
        try:
            with tree.with_mutant(mutant):
                verdict = self._judge(mutant, tree)
        except PatchError as error:
            verdict = Verdict(mutant=mutant, fate="stale", seconds=0.0, message=str(error))
        return dataclasses.replace(verdict, seconds=time.monotonic() - began)

    def _judge(self, mutant: Mutant, tree: Tree) -> Verdict:
        """First the test that killed it last time, then every suite that touches its service, until one kills it."""
        troubles: list[Outcome] = []
        for selection in self._selections(mutant):
            outcome = self._run(selection, tree)
            suite = suite_of(self._suites, outcome.test) if outcome.test else None
            if outcome.word == "failed" and suite is not None:
                doubt = self._doubt(mutant, outcome, suite, tree)
                if not doubt:
                    return _verdict(mutant, "killed", outcome, suite.name)
                troubles.append(dataclasses.replace(outcome, message=doubt))
            elif outcome.word != "passed":
                troubles.append(outcome)
        # A killer that is gone or renamed is no trouble: the suites have spoken.
        real = [trouble for trouble in troubles if trouble.message != "no test ran"]
        if real:
            return _verdict(mutant, "broken", real[0])
        suites = ", ".join(suite.name for suite in self._touching(mutant))
        message = (
            f"no test of {suites} fails: {mutant.boundary} has none for: {mutant.promise} ({mutant.breaks})"
        )
        return Verdict(mutant=mutant, fate="survived", seconds=0.0, message=message)

    def _doubt(self, mutant: Mutant, outcome: Outcome, suite: Suite, tree: Tree) -> str:
        """Why a failure may be a flake; empty if it is the mutant's.

        The test must pass without the mutant, and, unless it is known to kill this one, fail with it a second time.
        """
        without = self._confirm(outcome.test, suite)
        if without is not None:
            return f"fails without the mutant too: {_failing(without)}"
        if _function(outcome.test) == _function(self._killers.get(mutant.id, "")):
            return ""
        again = self._run(Selection(tests=[outcome.test], tier=suite.tier), tree)
        return "" if again.word == "failed" else f"failed once, and then not: {_failing(outcome)}"

    def _selections(self, mutant: Mutant) -> list[Selection]:
        chosen = []
        killer = self._killers.get(mutant.id)
        suite = suite_of(self._suites, killer) if killer else None
        if killer and suite is not None and suite.touches(mutant.service):
            chosen.append(Selection(tests=[killer], tier=suite.tier))
        for tier, group in groupby(self._touching(mutant), key=lambda each: each.tier):
            paths = sorted((each.path for each in group), key=lambda path: path != mutant.boundary)
            chosen.append(Selection(tests=paths, tier=tier, workers=SUITE_WORKERS))
        return chosen

    def _touching(self, mutant: Mutant) -> list[Suite]:
        return [suite for suite in self._suites if suite.touches(mutant.service)]

    def _run(self, selection: Selection, tree: Tree) -> Outcome:
        with self._lock:
            self._number += 1
            place = self._folder / "runs" / str(self._number)
        return self._runner.run(selection, place, {"SEATRIAL_SERVICES": str(tree.services)})


def _verdict(mutant: Mutant, fate: Fate, outcome: Outcome, suite: str = "") -> Verdict:
    return Verdict(
        mutant=mutant,
        fate=fate,
        seconds=outcome.seconds,
        test=outcome.test,
        suite=suite,
        message=outcome.message,
    )


def _function(test: str) -> str:
    """A test without its parameters."""
    return test.partition("[")[0]


def _failing(outcome: Outcome) -> str:
    return f"{outcome.test}: {outcome.message}" if outcome.test else outcome.message


def _line(verdict: Verdict, number: int, of: int) -> str:
    name = f"[{number:{len(str(of))}}/{of}] {verdict.fate:8} {verdict.mutant.id}"
    why = verdict.test if verdict.fate == "killed" else verdict.message.partition("\n")[0]
    return f"{name} ({verdict.seconds:.1f} s): {why}"
