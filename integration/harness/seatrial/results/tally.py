"""Tally: adds up what all tests of a run came to, in the one process that sees all of their reports."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from seatrial.failures.artifacts import TAIL_LINES, safe_name
from seatrial.results import reports
from seatrial.results.reports import Counts, Duration, Failure, RunResult
from seatrial.rules.plan import Plan, now

EXTRA: Final = "seatrial"
"""The attribute of a test's report that carries what the plugin knows of it; it travels between processes."""
_PHASES: Final = ("setup", "call", "teardown")
_SEVERITY: Final = ("passed", "xfailed", "skipped", "quarantined", "failed")

Outcome = Literal["passed", "xfailed", "skipped", "quarantined", "failed"]

TALLY: Final = pytest.StashKey["Tally"]()
"""Where the plugin keeps the run's tally, for other plugins too; there is none in a worker."""


class Tally:
    """A pytest plugin object for the controller, or for the only process of a run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._outcomes: dict[str, Outcome] = {}
        self._durations: defaultdict[str, float] = defaultdict(float)
        self._failures: list[Failure] = []
        self._skips: Counter[tuple[str, str]] = Counter()
        self._problems: list[str] = []
        self._interrupted = False
        self.result: RunResult = plan.beginning()

    @property
    def run(self) -> str:
        """Which of the tier's runs this is; empty for the only one."""
        return self._plan.run or ""

    @property
    def folder(self) -> Path:
        """Where the results of the tier are."""
        return self._plan.reports / self._plan.tier_name

    def problem(self, text: str) -> None:
        """Hold something against the run as a whole; another plugin may until its own end of the session is over."""
        self._problems.append(text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Announce the run, so that its death can be told from its absence."""
        if session.config.option.collectonly:
            return
        try:
            self._plan.artifacts.hold()
            self._plan.artifacts.prune()
            reports.write(self.result, self._plan.reports, self._plan.run)
        except OSError as error:
            raise pytest.UsageError(
                f"{error.filename}: {error.strerror} (name a directory that can be written: --seatrial-reports=DIR)"
            ) from None

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a module that cannot be collected as a failure."""
        if report.failed:
            self._outcomes[report.nodeid] = "failed"
            self._failures.append(self._failure(report, "collect"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a phase of a test."""
        nodeid = report.nodeid
        self._durations[nodeid] += report.duration
        outcome = self._outcome(report)
        if outcome == "skipped":
            extra = _extra(report)
            self._skips[extra.get("capability", "unknown"), extra.get("reason", "unknown")] += 1
        elif outcome in ("failed", "quarantined"):
            when = report.when if report.when in _PHASES else "crash"
            self._failures.append(self._failure(report, when))
        # A test has passed when it is over; one that is interrupted in its body has not
        if outcome != "passed" or report.when == "teardown":
            before = self._outcomes.get(nodeid, "passed")
            self._outcomes[nodeid] = max(before, outcome, key=_SEVERITY.index)

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that somebody ended the run."""
        self._interrupted = True

    def pytest_internalerror(self, excrepr: object) -> None:
        """Hold a crash of pytest or a plugin against the run."""
        self.problem(f"internal error: {str(excrepr).strip().splitlines()[-1]}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object | None) -> None:
        """Take over a worker's problems; a worker that crashed is one."""
        name = node.gateway.id
        for problem in getattr(node, "workeroutput", {}).get(EXTRA, ()):
            self.problem(f"{name}: {problem}")
        if error:
            self.problem(f"worker {name} died: {str(error).strip().splitlines()[-1]}")

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Judge the run when every other plugin has, and write its result."""
        try:
            yield
        finally:
            if not session.config.option.collectonly:
                self._finish(session)

    def _finish(self, session: pytest.Session) -> None:
        self.result = self._judge(session.exitstatus)
        if self.result.problems and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reports.write(self.result, self._plan.reports, self._plan.run)
        self._plan.artifacts.release()

    def _judge(self, exitstatus: int) -> RunResult:
        counts = Counter(self._outcomes.values())
        budget = self.result.skip_budget
        if budget is not None and counts["skipped"] > budget:
            self.problem(
                f"{counts['skipped']} tests were skipped, tier {self.result.tier} allows {budget} "
                "(provide the capabilities, or change skips in tiers.toml)"
            )
        stopped = exitstatus == pytest.ExitCode.INTERRUPTED and not counts["failed"]
        interrupted = self._interrupted or stopped
        state: reports.State = "passed"
        if interrupted:
            state = "interrupted"
        elif self._problems or counts["failed"] or exitstatus != pytest.ExitCode.OK:
            state = "failed"
        finished = Counts(**{name: counts[name] for name in _SEVERITY})
        return replace(
            self.result,
            state=state,
            finished_at=now(),
            duration_s=round(time.monotonic() - self._plan.started, 3),
            counts=finished,
            skips=reports.skip_counts(self._skips),
            failures=tuple(self._failures),
            slowest=reports.slowest(
                Duration(nodeid=nodeid, duration_s=round(seconds, 3))
                for nodeid, seconds in self._durations.items()
            ),
            problems=tuple(self._problems),
        )

    def _outcome(self, report: pytest.TestReport) -> Outcome:
        if report.failed:
            return "failed"
        if report.passed:
            return "passed"
        if _extra(report).get("quarantined"):
            return "quarantined"
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"

    def _remains(self, nodeid: str) -> dict[str, Any]:
        """What a test left whose process died in it."""
        left = self._plan.artifacts.path / safe_name(nodeid)
        if not left.is_dir():
            return {}
        logs = {log.stem: _last_lines(log) for log in sorted(left.glob("*.log"))}
        return {"artifacts": self._plan.shown(left), "logs": logs}

    def _failure(self, report: pytest.TestReport | pytest.CollectReport, when: str) -> Failure:
        extra = _extra(report) if when != "crash" else self._remains(report.nodeid)
        return Failure(
            nodeid=report.nodeid,
            when=when,
            message=extra.get("message") or message(report),
            repro=extra.get("repro") or self._plan.command(report.nodeid),
            artifacts=extra.get("artifacts"),
            logs=extra.get("logs", {}),
        )


def _last_lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]


def message(report: pytest.TestReport | pytest.CollectReport) -> str:
    """What a failed report says in short: the error, without the way to it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message)
    text = str(report.longreprtext).strip()
    return text or "no message"


def _extra(report: pytest.TestReport | pytest.CollectReport) -> dict[str, Any]:
    extra: dict[str, Any] = getattr(report, EXTRA, {})
    return extra
