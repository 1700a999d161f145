"""Keeper: holds the evidence of each test of this process, and attaches it to the reports of those that fail."""

from collections.abc import Generator
from typing import Any

import pytest
from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from seatrial.containers.audit import last_look, sweep_run
from seatrial.failures.artifacts import RunArtifacts
from seatrial.failures.evidence import Evidence, describe
from seatrial.processes.supervisor import Supervisor
from seatrial.results.tally import EXTRA, Tally
from seatrial.rules.plan import Plan
from seatrial.rules.skips import ABSENT, bare_skip_message
from seatrial.teardown import TeardownErrors
from seatrial.timeline import archive
from seatrial.worker import Worker


class Keeper:
    """A pytest plugin object, in every process that runs tests."""

    def __init__(self, plan: Plan, tally: Tally | None) -> None:
        self.plan = plan
        self.worker = Worker()
        self._tally = tally
        self._open: dict[str, Evidence] = {}
        self._died = False
        runs = plan.reports / plan.tier_name / archive.FOLDER
        self._timelines = RunArtifacts(runs, plan.artifacts.path.name)
        self._problems: list[str] = []

    def evidence(self, item: pytest.Item) -> Evidence:
        """The evidence of a test that runs."""
        found = self._open.get(item.nodeid)
        if found is None:
            found = self._open[item.nodeid] = Evidence(self.plan, self._timelines.path, item.nodeid)
        return found

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Make room for the timelines of this run."""
        if self._tally is not None and archive.recording() and not session.config.option.collectonly:
            self._timelines.hold()
            self._timelines.prune(archive.KEPT_RUNS)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Complete the report of a phase."""
        report = yield
        if report.skipped and not hasattr(report, "wasxfail"):
            _judge_skip(item, report)
        if report.failed:
            self._keep(item, report, call)
        if report.when == "call" or not report.passed:
            self._settle(item)
        if report.when == "teardown":
            self._finish(item, report)
        return report

    def _keep(self, item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, TeardownErrors):
            report.longrepr = _shown(error, report)
        evidence = self.evidence(item)
        crash = getattr(report.longrepr, "reprcrash", None)
        evidence.failure(report.when, report.longreprtext, crash.message if crash is not None else "")
        report.sections += evidence.sections()
        extra: dict[str, Any] = evidence.summary()
        if isinstance(error, TeardownErrors):
            extra["message"] = describe(error)
        known = self.plan.quarantines.of(item.nodeid)
        if known is not None:
            report.outcome = "skipped"
            report.wasxfail = str(known)
            extra["quarantined"] = True
        setattr(report, EXTRA, extra)

    def _settle(self, item: pytest.Item) -> None:
        evidence = self._open.get(item.nodeid)
        if evidence is not None:
            evidence.body_over = True

    def _finish(self, item: pytest.Item, report: pytest.TestReport) -> None:
        evidence = self._open.pop(item.nodeid, None)
        if evidence is None:
            return
        story = evidence.teardown_story()
        if story and not report.failed:
            # pytest shows the sections of a passed teardown whose title has this word, with the test's failure
            report.sections.append(("problems at teardown", story))
        self._problems += map(describe, evidence.finish())

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object | None) -> None:
        """Remember that a worker died: others clean up after it, but they may have died as well."""
        self._died = self._died or bool(error)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Finish what an interrupt left open, stop what the tests shared, and say what is wrong with that."""
        for evidence in self._open.values():
            evidence.finish(interrupted=True)
        self._open.clear()
        self._timelines.release()
        problems = self._problems + [describe(problem) for problem in self.worker.close()]
        problems += last_look()
        if self._died:
            sweep_run()
        supervisor = Supervisor.active()
        if supervisor is not None:
            supervisor.close()
        if self._tally is not None:
            for problem in problems:
                self._tally.problem(problem)
        elif problems:
            session.config.workeroutput[EXTRA] = problems  # type: ignore[attr-defined]


def _judge_skip(item: pytest.Item, report: pytest.TestReport) -> None:
    """Only a typed skip may stand; every other one becomes a failure."""
    file, line, _ = item.location
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    absence = item.stash.get(ABSENT, None)
    if absence is None or report.when != "setup":
        report.outcome = "failed"
        report.longrepr = bare_skip_message(reason.removeprefix("Skipped: "))
        return
    report.longrepr = (file, (line or 0) + 1, reason)
    setattr(report, EXTRA, {"capability": absence.capability, "reason": absence.reason})


def _shown(errors: TeardownErrors, report: pytest.TestReport) -> Any:
    """The errors of a teardown, each as a person needs it, without the way that they took through the harness.

    pytest has no public class for a representation that keeps its one-line message across processes.
    """
    file, line, _ = report.location
    text = f"{errors.message}\n\n{describe(errors)}"
    first = f"{type(errors.exceptions[0]).__name__}: {errors.exceptions[0]}".splitlines()[0]
    return ReprExceptionInfo(
        ReprTraceback([ReprEntryNative([f"{each}\n" for each in text.splitlines()])], None, "native"),
        ReprFileLocation(file, (line or 0) + 1, f"{errors.message}: {first}"),
    )
