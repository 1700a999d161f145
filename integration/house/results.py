"""Result files for the runs of a tier that write none: pytest without the harness' plugin, and linters.

They land beside those that the plugin writes, so that `seatrial tiers` and `seatrial why` know them as well.
"""

import os
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final
from xml.etree import ElementTree

from seatrial.failures import repro
from seatrial.results.reports import (
    Counts,
    Duration,
    Failure,
    RunResult,
    SkipCount,
    State,
    path_of,
    skip_counts,
    slowest,
    write,
)

REPORTS: Final = "reports"
_PHASE: Final = re.compile(r"failed on (setup|teardown)")
_NOTHING: Final = Counts()
_INTERRUPTED: Final = 2
"""pytest's exit status for Ctrl-C, and for modules that cannot be collected."""


def announce(root: Path, tier: str, run: str | None = None) -> None:
    """Say that a run of a tier is about to start: until it writes its result, this process answers for it."""
    save(root, result(root, tier, "running", 0.0), run)


def withdraw(root: Path, tier: str, run: str | None = None) -> None:
    """Take back that there is such a run: none of its tests was asked for."""
    path_of(root / REPORTS, tier, run).unlink(missing_ok=True)


def save(root: Path, result: RunResult, run: str | None = None) -> None:
    """Write a run's result file; a tier that is one run needs no name for it."""
    write(result, root / REPORTS, run)


def of_pytest(
    root: Path, tier: str, run: str, junit: Path, command: Sequence[str], seconds: float, status: int
) -> RunResult:
    """What a pytest run came to, from its JUnit file (xunit1); one that wrote none did not get to its tests."""
    problems: tuple[str, ...] = ()
    cases: list[ElementTree.Element] = []
    try:
        # written a moment ago by our own pytest
        cases = list(ElementTree.parse(junit).iter("testcase"))  # noqa: S314
    except (OSError, ElementTree.ParseError):
        problems = (f"{run}: pytest ended with {status} before it could report",)
    failures = tuple(failure for case in cases for failure in _failures(case, command))
    failed = {failure.nodeid for failure in failures}
    others = [case for case in cases if _nodeid(case) not in failed]
    skips, xfailed = _skips(others)
    skipped = sum(skips.values())
    interrupted = status == _INTERRUPTED and not failures and not problems
    if status and not interrupted and not failures and not problems:
        problems = (f"{run}: pytest ended with {status}",)
    return result(
        root,
        tier,
        "interrupted" if interrupted else "failed" if status else "passed",
        seconds,
        counts=Counts(
            passed=len(others) - skipped - xfailed,
            failed=len(failed),
            skipped=skipped,
            xfailed=xfailed,
        ),
        skips=skip_counts(skips),
        failures=failures,
        slow=slowest(
            Duration(nodeid=_nodeid(case), duration_s=float(case.get("time", "0"))) for case in cases
        ),
        problems=problems,
        command=shlex.join(command),
    )


def of_checks(
    root: Path, tier: str, passed: int, failed: Sequence[tuple[str, str]], seconds: float
) -> RunResult:
    """What a run of checks came to; `failed` has names and outputs."""
    failures = tuple(
        Failure(nodeid=name, when="call", message=output, repro=f"nox -s {tier}") for name, output in failed
    )
    state: State = "failed" if failed else "passed"
    counts = Counts(passed=passed, failed=len(failed))
    return result(root, tier, state, seconds, counts=counts, failures=failures)


def result(
    root: Path,
    tier: str,
    state: State,
    seconds: float,
    *,
    counts: Counts = _NOTHING,
    skips: tuple[SkipCount, ...] = (),
    failures: tuple[Failure, ...] = (),
    command: str = "",
    slow: tuple[Duration, ...] = (),
    problems: tuple[str, ...] = (),
) -> RunResult:
    """A run of this process that ends now, after so many seconds."""
    finished = datetime.now(UTC)
    return RunResult(
        tier=tier,
        state=state,
        started_at=_text(finished - timedelta(seconds=seconds)),
        finished_at=None if state == "running" else _text(finished),
        duration_s=round(seconds, 3),
        counts=counts,
        skips=skips,
        failures=failures,
        slowest=slow,
        problems=problems,
        revision=repro.revision(root),
        python=repro.python_version(),
        command=command,
        pid=os.getpid(),
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _skips(cases: Sequence[ElementTree.Element]) -> tuple[Counter[tuple[str, str]], int]:
    """How many tests were skipped, by reason (no capability is known of them), and how many failed as expected."""
    skips: Counter[tuple[str, str]] = Counter()
    xfailed = 0
    for node in (node for case in cases for node in case.findall("skipped")):
        if node.get("type") == "pytest.xfail":
            xfailed += 1
        else:
            skips["", node.get("message") or "no reason"] += 1
    return skips, xfailed


def _failures(case: ElementTree.Element, command: Sequence[str]) -> Iterator[Failure]:
    nodeid = _nodeid(case)
    for kind in ("failure", "error"):
        for node in case.findall(kind):
            said = node.get("message", "")
            when = "call" if kind == "failure" else _phase(said)
            message = "\n\n".join(filter(None, (said.strip(), (node.text or "").strip())))
            yield Failure(
                nodeid=nodeid, when=when, message=message, repro=shlex.join([*_options(command), nodeid])
            )


def _phase(said: str) -> str:
    """Where an error happened, in the words that pytest has for it."""
    match = _PHASE.match(said)
    return match[1] if match else "collect"


def _options(command: Sequence[str]) -> list[str]:
    """Of a pytest command line what a repetition of one test needs: the interpreter and the plugins."""
    kept = list(command[:3])
    for word, value in pairwise(command):
        if word == "-p":
            kept += [word, value]
    return kept


def _nodeid(case: ElementTree.Element) -> str:
    file = PurePosixPath(case.get("file", ""))
    module = ".".join(file.with_suffix("").parts) if file.name else ""
    classes = case.get("classname", "").removeprefix(module).strip(".").split(".")
    return "::".join(filter(None, (str(file) if file.name else "", *classes, case.get("name", ""))))
