"""Is the working tree slower than another version? `nox -s bench -- --against <git ref>`; see benches/README.md.

Builds the services of both, samples them in turns, and gives every metric a verdict. Exit status: 0 no regression, 1 slower or
larger somewhere, over a budget, or not measured; 2 a mistake of the caller's.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import series
from seatrial.results.reports import Counts, State
from verdict import budgets, catalog, charts, outcome, proof, report, session, trees
from verdict.comparison import BASE, CHANGED
from verdict.judgement import Judged
from verdict.progress import Progress
from verdict.side import DriverFailed, Refused, Side

MISTAKE = 2
INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    described = argparse.ArgumentParser(
        prog="compare.py",
        description="Compares the services of the working tree (B) with another version's (A).",
        allow_abbrev=False,
    )
    what = described.add_mutually_exclusive_group(required=True)
    what.add_argument("--against", metavar="REF", help="A is this branch, tag or commit")
    what.add_argument(
        "--identical", action="store_true", help="A is the working tree too: nothing may be found"
    )
    what.add_argument(
        "--slow-down",
        metavar="MS",
        type=_positive,
        help="A is the working tree too, and B's commands are slowed by so many milliseconds: that must be found",
    )
    what.add_argument("--list", action="store_true", help="print the metrics, and end")
    described.add_argument(
        "--metric", metavar="NAME", action="append", default=[], help="only this one; may be repeated"
    )
    described.add_argument("--quick", action="store_true", help="only the small set of metrics")
    described.add_argument(
        "--samples", metavar="N", type=_count, help="so many samples of each version and duration, at least"
    )
    described.add_argument(
        "--seed", metavar="N", type=int, help="repeats the order in which samples are taken"
    )
    described.add_argument(
        "--prove",
        metavar="N",
        type=_count,
        help="repeat the whole comparison N times, with --identical or --slow-down: is it right every time?",
    )
    return described


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; gives its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    described = parser()
    options = described.parse_args(words)
    if options.list:
        for metric in catalog.METRICS:
            sys.stdout.write(f"{metric.name:28} {'quick' if metric.quick else '':6} {metric.title}\n")
        return 0
    if options.prove and options.against:
        described.error("--prove needs --identical or --slow-down: of a ref nobody knows the right answer")
    run = Run(options, words)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # what is booted ends with this, however it is ended
    try:
        return run.prove() if options.prove else run.once()
    except (trees.TreeError, catalog.UnknownMetric, budgets.BudgetError) as error:
        sys.stderr.write(f"compare.py: {error}\n")
        return MISTAKE
    except KeyboardInterrupt:
        run.save("interrupted", problems=["interrupted"])
        sys.stderr.write("compare.py: interrupted\n")
        return INTERRUPTED
    except (DriverFailed, Refused) as error:
        run.save("failed", problems=[str(error)])
        sys.stderr.write(f"compare.py: {error}\n")
        return 1


class Run:
    """One call of the program."""

    def __init__(self, options: argparse.Namespace, words: Sequence[str]) -> None:
        self._options = options
        self._seed: int = session.new_seed() if options.seed is None else options.seed
        self._words = [*words] if options.seed is not None else [*words, "--seed", str(self._seed)]
        self._begun = time.monotonic()
        self._progress = Progress(sys.stdout)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        kind = "prove" if options.prove else "compare"
        self._directory = session.ROOT / "reports" / outcome.TIER / f"{kind}-{stamp}"

    def once(self) -> int:
        """One comparison and its report."""
        planned = self._planned()
        with self._versions(planned) as (versions, sides):
            samples, judged = session.compare(
                sides, planned, self._budgets, seed=self._seed, progress=self._progress
            )
        heading = report.Heading(
            names={side: tree.origin for side, tree in versions.items()},
            machine=series.machine(),
            seed=self._seed,
            epochs=planned.epochs,
            command=outcome.command(self._words),
            seconds=time.monotonic() - self._begun,
        )
        pictures = charts.draw(judged, samples, heading.names, self._directory)
        report.write(self._directory, judged, samples, heading, pictures)
        if page := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(report.markdown(judged, heading))
        problems = [*samples.problems, *self._missed(judged)]
        red = bool(problems) or any(each.red for each in judged)
        self.save("failed" if red else "passed", judged=judged, problems=problems)
        self._tell([report.text(judged), "", *heading.lines, *(f"PROBLEM {problem}" for problem in problems)])
        self._tell([f"report: {self._directory / 'report.html'}", f"repeat: {heading.command}"])
        return self._end(red=red)

    def prove(self) -> int:
        """Many comparisons of which the right answer is known."""
        planned = self._planned()
        comparisons: list[proof.Comparison] = []
        with self._versions(planned) as (versions, sides):
            for number in range(self._options.prove):
                seed = self._seed + number
                samples, judged = session.compare(
                    sides, planned, self._budgets, seed=seed, progress=self._progress
                )
                compared = proof.Comparison(number + 1, seed, tuple(judged), tuple(samples.problems))
                comparisons.append(compared)
                self._tell([f"comparison {number + 1} of {self._options.prove}: {compared.words}"])
                proof.write(self._directory, comparisons, samples, versions)
        wrong = [each for each in comparisons if not each.right(self._slowed)]
        charts.strip([each.judged for each in comparisons], self._directory / "effects.png")
        right = len(comparisons) - len(wrong)
        problems = [f"comparison {each.number} (seed {each.seed}): {each.words}" for each in wrong]
        counts = Counts(passed=right, failed=len(wrong))
        self.save("failed" if wrong else "passed", problems=problems, counts=counts)
        what = "found the slowed command" if self._slowed else "found nothing, as it should"
        self._tell([f"{right} of {len(comparisons)} comparisons {what}", f"proof: {self._directory}"])
        return self._end(red=bool(wrong))

    def _planned(self) -> session.Plan:
        options = self._options
        self._budgets = budgets.load()
        wanted = catalog.choose(options.metric, quick=options.quick or bool(options.prove))
        planned = session.plan(wanted, samples=options.samples)
        if not planned.metrics:
            raise catalog.UnknownMetric("; ".join(each.reason for each in planned.refused))
        for each in planned.refused:
            self._tell([f"refused: {each.metric.name}: {each.reason}"])
        self._tell([f"{len(planned.metrics)} metrics, {planned.epochs} epochs, seed {self._seed}"])
        return planned

    @contextmanager
    def _versions(
        self, planned: session.Plan
    ) -> Iterator[tuple[Mapping[str, trees.Tree], Mapping[str, Side]]]:
        """Both versions' trees in a temporary directory, and their drivers. Names of equal length: not even a path differs."""
        options = self._options
        with tempfile.TemporaryDirectory(prefix="seatrial-bench-") as place:
            base, changed = Path(place) / "a", Path(place) / "b"
            if options.against:
                first = trees.of_commit(session.ROOT, options.against, base)
            else:
                first = trees.of_working_tree(session.ROOT, base)
            second = trees.of_working_tree(session.ROOT, changed)
            if options.slow_down:
                second = trees.slow_down(second, options.slow_down)
            versions = {BASE: first, CHANGED: second}
            self._tell([f"{side}: {tree.origin}" for side, tree in versions.items()])
            with session.drivers(versions, self._directory, planned, self._progress.say) as sides:
                yield versions, sides

    def _missed(self, judged: Sequence[Judged]) -> list[str]:
        """Where the answer is known, what a comparison got wrong."""
        compared = proof.Comparison(1, self._seed, tuple(judged), ())
        if self._options.against or compared.right(self._slowed):
            return []
        return [f"the answer is known, and not this: {compared.words}"]

    @property
    def _slowed(self) -> bool:
        return self._options.slow_down is not None

    def _tell(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._progress.say(line)

    def _end(self, *, red: bool) -> int:
        """The drivers' logs stay where there is something to explain."""
        if not red:
            for path in self._directory.glob("driver-*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        return int(red)

    def save(
        self,
        state: State,
        *,
        judged: Sequence[Judged] = (),
        problems: Sequence[str] = (),
        counts: Counts | None = None,
    ) -> None:
        """Leave the tier's result."""
        outcome.save(
            session.ROOT,
            state,
            time.monotonic() - self._begun,
            arguments=self._words,
            seed=self._seed,
            artifacts=self._directory,
            judged=judged,
            problems=problems,
            counts=counts,
        )


if __name__ == "__main__":
    sys.exit(main())
