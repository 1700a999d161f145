"""Result files for the parts of a tier that run without the harness' plugin: a service's own tests, and linters.

They land beside those that the plugin writes, so that `seatrial tiers` and `seatrial why` know them as well.
"""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final
from xml.etree import ElementTree

from seatrial.failures import repro
from seatrial.results import summary
from seatrial.results.reports import RESULT_FILE, Counts, Duration, Failure, RunResult, State, slowest, write

REPORTS: Final = "reports"
_SUMMARY_VARIABLE: Final = "GITHUB_STEP_SUMMARY"
_PHASE: Final = re.compile(r"failed on (setup|teardown)")


def forget(root: Path, tier: str) -> None:
    """Remove what earlier runs of a tier left, so that the next results stand for themselves."""
    folder = root / REPORTS / tier
    for file in (folder / RESULT_FILE, *folder.glob("result-*.json")):
        file.unlink(missing_ok=True)


def file(root: Path, tier: str) -> Path:
    """Where the result of a tier lands that is one run."""
    return root / REPORTS / tier / RESULT_FILE


def of_nothing(root: Path, tier: str, problem: str) -> RunResult:
    """What a run came to that ended before it could report."""
    return _result(root, tier, "failed", 0.0, counts=Counts(), failures=(), command="", problems=(problem,))


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
    skipped = sum(case.find("skipped") is not None for case in cases)
    failed = len({failure.nodeid for failure in failures})
    if status and not failures and not problems:
        problems = (f"{run}: pytest ended with {status}",)
    return _result(
        root,
        tier,
        "failed" if status else "passed",
        seconds,
        counts=Counts(passed=len(cases) - failed - skipped, failed=failed, skipped=skipped),
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
    return _result(root, tier, state, seconds, counts=counts, failures=failures, command=f"nox -s {tier}")


def save(root: Path, result: RunResult, run: str | None = None) -> None:
    """Write the result file, and the summary on a CI job's page where there is one."""
    write(result, root / REPORTS, run)
    if page := os.environ.get(_SUMMARY_VARIABLE):
        summary.append_to(Path(page), result)


def _result(
    root: Path,
    tier: str,
    state: State,
    seconds: float,
    *,
    counts: Counts,
    failures: tuple[Failure, ...],
    command: str,
    slow: tuple[Duration, ...] = (),
    problems: tuple[str, ...] = (),
) -> RunResult:
    finished = datetime.now(UTC)
    return RunResult(
        tier=tier,
        state=state,
        started_at=_text(finished - timedelta(seconds=seconds)),
        finished_at=_text(finished),
        duration_s=round(seconds, 3),
        counts=counts,
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


def _failures(case: ElementTree.Element, command: Sequence[str]) -> Iterator[Failure]:
    nodeid = _nodeid(case)
    for kind in ("failure", "error"):
        for node in case.findall(kind):
            said = node.get("message", "")
            when = "call" if kind == "failure" else _phase(said)
            message = (node.text or said).strip()
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
