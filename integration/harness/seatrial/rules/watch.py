"""Watch: says in the end what became of the tests in quarantine: one that passes may be let out."""

import os
from pathlib import Path
from typing import Any

import pytest

from seatrial.results.summary import JOB_PAGE
from seatrial.results.tally import EXTRA
from seatrial.rules.quarantine import Quarantines


class Watch:
    """A pytest plugin object for the controller, or for the only process of a run."""

    def __init__(self, quarantines: Quarantines) -> None:
        self._quarantines = quarantines
        self._failed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember what became of a test in quarantine; one that is skipped did not run."""
        quarantined = bool(getattr(report, EXTRA, {}).get("quarantined"))
        ran = report.when == "call" and report.passed
        if (ran or report.failed or quarantined) and self._quarantines.of(report.nodeid) is not None:
            failed = report.failed or quarantined
            self._failed[report.nodeid] = failed or self._failed.get(report.nodeid, False)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show each with its entry, on the terminal and on a CI job's page."""
        if not self._failed:
            return
        lines = [self._line(nodeid, failed) for nodeid, failed in sorted(self._failed.items())]
        terminalreporter.section("seatrial: quarantine")
        for line in lines:
            terminalreporter.write_line(line)
        if page := os.environ.get(JOB_PAGE):
            with Path(page).open("a", encoding="utf-8") as file:
                file.write("In quarantine:\n\n" + "".join(f"- {line}\n" for line in lines) + "\n")

    def _line(self, nodeid: str, failed: bool) -> str:
        entry = self._quarantines.of(nodeid)
        advice = "" if failed else "; if it is mended, remove its entry"
        return f"{'failed' if failed else 'passed'} {nodeid}: {entry}{advice}"
