from pathlib import Path

import pytest

from seatrial.results import reports
from seatrial.results.reports import Counts, Failure, RunResult
from seatrial.rules.plan import now
from trial import judge, unusable


def failure(message: str, when: str = "call", nodeid: str = "suite/a_test.py::test_a") -> Failure:
    return Failure(nodeid=nodeid, when=when, message=message, repro="")


def judged(
    folder: Path,
    status: int,
    *failures: Failure,
    counts: Counts | None = None,
    problems: tuple[str, ...] = (),
) -> str:
    known = counts or Counts(passed=3, failed=len(failures))
    state: reports.State = "failed" if failures or problems else "passed"
    result = RunResult(
        tier="t", state=state, started_at=now(), counts=known, failures=failures, problems=problems
    )
    reports.write(result, folder)
    return judge(folder, "t", status, 1.0).word


@pytest.mark.parametrize(
    ("message", "when"),
    [
        ("AssertionError: assert 1 == 2", "call"),
        ("contracts.errors.ContractError: 200 is not documented", "setup"),
        ("seatrial.errors.UnexpectedLog: gateway logged an error", "teardown"),
        ("seatrial.errors.WaitTimeout: waited 5 s for the game to run", "call"),
        ("seatrial.errors.UnexpectedExit: gateway ended with 1", "teardown"),
    ],
)
def test_a_test_that_saw_a_broken_promise_counts(tmp_path: Path, message: str, when: str) -> None:
    assert unusable(failure(message, when)) == ""
    assert judged(tmp_path, 1, failure(message, when)) == "failed"


@pytest.mark.parametrize(
    ("message", "when", "said"),
    [
        ("seatrial.errors.BinaryError: binary gateway: uv could not make the wheel", "setup", "BinaryError"),
        ("seatrial.builds.buildcache.BinaryError: x", "call", "BinaryError"),
        ("seatrial.errors.ProcessDied: gateway ended with 70 before it was ready", "setup", "ProcessDied"),
        ("seatrial.errors.NotReady: gateway was not ready after 10 s", "call", "NotReady"),
        ("seatrial.containers.image.ImageError: no such file", "setup", "ImageError"),
        ("Failed: Timeout (>120.0s) from pytest-timeout.", "call", "hung"),
        ("ImportError: no module named x", "collect", "collected"),
        ("worker 'gw0' crashed", "crash", "died"),
    ],
)
def test_a_failure_that_says_nothing_about_a_contract_does_not_count(
    tmp_path: Path, message: str, when: str, said: str
) -> None:
    assert said in unusable(failure(message, when))
    assert judged(tmp_path, 1, failure(message, when)) == "broken"


def test_of_several_failures_the_one_that_counts_is_told(tmp_path: Path) -> None:
    died, saw = (
        failure("seatrial.errors.ProcessDied: x"),
        failure("AssertionError: y", nodeid="suite/b_test.py::test_b"),
    )
    assert judged(tmp_path, 1, died, saw) == "failed"
    assert judge(tmp_path, "t", 1, 1.0).test == "suite/b_test.py::test_b"


def test_a_run_without_a_failure_has_passed_if_tests_ran(tmp_path: Path) -> None:
    assert judged(tmp_path, 0) == "passed"
    assert judged(tmp_path, 1) == "passed"  # a hole in the contracts' coverage is no test's word
    assert judged(tmp_path, 5, counts=Counts()) == "broken"
    assert judged(tmp_path, 0, counts=Counts(passed=1, skipped=1)) == "broken"
    assert judged(tmp_path, 1, problems=("worker gw0 died",)) == "broken"
    assert judged(tmp_path, 2) == "broken"


def test_a_run_that_did_not_report_is_broken(tmp_path: Path) -> None:
    assert judge(tmp_path, "t", 4, 1.0).message == "pytest ended with 4 before it could report"
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "result.json").write_text("{")
    assert judge(tmp_path, "t", 0, 1.0).word == "broken"
