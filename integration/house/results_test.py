"""What services' own tests and linters come to is kept where the harness keeps its results."""

import os
import subprocess
import sys
from pathlib import Path

from house import results
from seatrial.results import reports
from seatrial.results.reports import Counts, RunResult, SkipCount

SUITE = """
import pytest

class TestThings:
    def test_good(self):
        pass

    def test_bad(self):
        assert 1 == 2

@pytest.fixture
def broken():
    raise RuntimeError("no luck")

def test_never(broken):
    pass

@pytest.mark.skip(reason="no luck either")
def test_left_out():
    pass

@pytest.mark.xfail(reason="not yet")
def test_not_yet():
    assert False

def test_unclean(request):
    request.addfinalizer(lambda: 1 / 0)
"""


def run(folder: Path, source: str) -> RunResult:
    (folder / "suite").mkdir()
    (folder / "suite" / "things_test.py").write_text(source)
    junit = folder / "junit.xml"
    command = [sys.executable, "-m", "pytest", "-p", "pytest_timeout", "-q", "suite"]
    options = [
        f"--junit-xml={junit}",
        "-o",
        "junit_family=xunit1",
        "-o",
        "python_files=*_test.py",
        "--rootdir",
        str(folder),
    ]
    variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    status = subprocess.run(
        [*command, *options], cwd=folder, env=variables, capture_output=True, check=False
    ).returncode
    return results.of_pytest(folder, "unit", "things", junit, command, 1.5, status)


def test_a_pytest_run_is_read_from_what_it_wrote(tmp_path: Path) -> None:
    result = run(tmp_path, SUITE)
    assert (result.state, result.duration_s, result.problems) == ("failed", 1.5, ())
    assert result.counts == Counts(passed=1, failed=3, skipped=1, xfailed=1)
    assert result.skips == (SkipCount(capability="", reason="no luck either", count=1),)
    file = "suite/things_test.py"
    assert {(failure.nodeid, failure.when) for failure in result.failures} == {
        (f"{file}::TestThings::test_bad", "call"),
        (f"{file}::test_never", "setup"),
        (f"{file}::test_unclean", "teardown"),
    }
    by_name = {failure.nodeid.rpartition("::")[2]: failure for failure in result.failures}
    assert "no luck" in by_name["test_never"].message
    assert by_name["test_bad"].message.startswith("assert 1 == 2\n\n")
    assert by_name["test_bad"].repro.endswith(f"-m pytest -p pytest_timeout {file}::TestThings::test_bad")


def test_a_green_run_is_passed(tmp_path: Path) -> None:
    result = run(tmp_path, "def test_good():\n    pass\n")
    assert (result.state, result.counts.passed, result.failures) == ("passed", 1, ())


def test_a_run_that_ended_before_its_tests_is_failed_and_says_so(tmp_path: Path) -> None:
    result = results.of_pytest(tmp_path, "unit", "things", tmp_path / "none.xml", ["python"], 0.1, 4)
    assert result.state == "failed"
    assert result.problems == ("things: pytest ended with 4 before it could report",)


def test_ctrl_c_is_no_failure_of_a_test(tmp_path: Path) -> None:
    result = run(tmp_path, "def test_stopped():\n    raise KeyboardInterrupt\n")
    assert (result.state, result.failures, result.problems) == ("interrupted", (), ())


def test_checks_that_failed_are_failures_with_what_they_said(tmp_path: Path) -> None:
    result = results.of_checks(tmp_path, "lint", 9, [("mypy gateway", "error: no")], 3.0)
    assert (result.state, result.counts.passed, result.counts.failed) == ("failed", 9, 1)
    assert [(failure.nodeid, failure.message, failure.repro) for failure in result.failures] == [
        ("mypy gateway", "error: no", "nox -s lint")
    ]


def test_what_is_saved_is_what_the_harness_reads(tmp_path: Path) -> None:
    good = results.of_checks(tmp_path, "unit", 2, [], 1.0)
    results.save(tmp_path, good, "one")
    results.save(tmp_path, results.of_checks(tmp_path, "unit", 3, [("x", "no")], 1.0), "two")
    merged = reports.load(tmp_path / results.REPORTS, "unit")
    assert merged is not None
    assert (merged.state, merged.counts.passed, merged.counts.failed) == ("failed", 5, 1)


def test_an_announced_run_is_running_until_it_reports_or_is_withdrawn(tmp_path: Path) -> None:
    results.announce(tmp_path, "unit", "one")
    announced = reports.load(tmp_path / results.REPORTS, "unit")
    assert announced is not None
    assert (announced.state, announced.pid, announced.finished_at) == ("running", os.getpid(), None)
    results.withdraw(tmp_path, "unit", "one")
    assert reports.load(tmp_path / results.REPORTS, "unit") is None
