"""What a run says of itself: in its result file, on the terminal, and on a CI job's page."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.conftest import Inner, InnerRun
from seatrial.results import reports, summary
from seatrial.results.reports import Counts, Duration, Failure, ReportError, RunResult, SkipCount

RESULT = RunResult(
    tier="harbour",
    state="failed",
    started_at="2026-11-21T10:00:00.000Z",
    finished_at="2026-11-21T10:00:09.000Z",
    duration_s=9.0,
    budget_s=60,
    skip_budget=0,
    counts=Counts(passed=3, failed=1, skipped=2),
    skips=(SkipCount(capability="docker", reason="no engine", count=2),),
    failures=(
        Failure(
            nodeid="a_test.py::test",
            when="call",
            message="```\nboom",
            repro="pytest a_test.py::test",
            logs={"x": ["y"]},
        ),
    ),
    slowest=(Duration(nodeid="a_test.py::test", duration_s=4.5),),
    problems=("2 tests were skipped",),
    seed=7,
    pid=1,
)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = reports.write(RESULT, tmp_path)
    assert path == tmp_path / "harbour" / "result.json"
    loaded = reports.load(tmp_path, "harbour")
    assert loaded is not None
    assert replace(loaded, failures=()) == replace(RESULT, failures=())
    assert loaded.failures[0].logs == {"x": ["y"]}
    assert reports.load(tmp_path, "port") is None
    assert [path.name for path in path.parent.iterdir()] == ["result.json"]


def test_the_runs_of_a_tier_are_added_up_and_the_worst_state_wins(tmp_path: Path) -> None:
    reports.write(RESULT, tmp_path, "two")
    other = replace(
        RESULT,
        state="passed",
        counts=Counts(passed=5),
        failures=(),
        started_at="2026-11-21T09:00:00.000Z",
        duration_s=1,
    )
    reports.write(other, tmp_path, "one")
    merged = reports.load(tmp_path, "harbour")
    assert merged is not None
    assert merged.state == "failed"
    assert merged.started_at == "2026-11-21T09:00:00.000Z"
    assert merged.duration_s == 10
    assert merged.counts == Counts(passed=8, failed=1, skipped=2)
    assert merged.skips == (SkipCount(capability="docker", reason="no engine", count=4),)
    assert len(merged.failures) == 1


def test_a_run_whose_process_is_gone_was_killed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    gone.wait()
    reports.write(replace(RESULT, state="running", pid=gone.pid), tmp_path, "one")
    reports.write(replace(RESULT, state="running", tier="other"), tmp_path)
    assert [(result.tier, result.state) for result in reports.load_all(tmp_path)] == [
        ("harbour", "killed"),
        ("other", "running"),
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "tier": "x"}'])
def test_a_file_that_is_no_result_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "harbour").mkdir()
    (tmp_path / "harbour" / "result.json").write_text(text)
    with pytest.raises(ReportError, match=r"harbour/result\.json: not a result file"):
        reports.load(tmp_path, "harbour")


def test_the_summary_is_complete() -> None:
    assert summary.text(RESULT).splitlines() == [
        "state      FAILED",
        "tests      3 passed, 1 failed, 2 skipped",
        "skipped    2 x docker: no engine",
        "problem    2 tests were skipped",
        "slowest       4.50 s  a_test.py::test",
        "time       9.0 s of 60 s",
        "seed       7",
        "artifacts  ",
    ]
    assert "OVER BUDGET" in summary.text(replace(RESULT, duration_s=61))


def test_a_message_cannot_break_out_of_the_page() -> None:
    page = summary.markdown(RESULT)
    assert "````text\n```\nboom\n\npytest a_test.py::test\n````" in page


TESTS = """
import os, pathlib, time
import pytest
from support import service
from seatrial.rules.capability import Capability, register
register(Capability(name="gold", purpose="riches", remedy="dig", probe=lambda: "the vault is empty"))

@pytest.mark.parametrize("n", range(8))
def test_good(environment, n):
    environment.directory

@pytest.mark.parametrize("n", range(3))
def test_bad(environment, n):
    environment.start(service('log("INFO", "hello"); serve()'))
    raise AssertionError(f"bad {n}")

@pytest.mark.requires("gold")
@pytest.mark.parametrize("n", range(2))
def test_gold(n): ...

def test_worker(rng):
    print("worker", os.environ.get("PYTEST_XDIST_WORKER"), rng.random())
"""


@pytest.fixture(scope="module")
def inner(new_inner: Callable[[str], Inner]) -> Inner:
    return new_inner(TESTS)


@pytest.fixture(scope="module")
def parallel(inner: Inner) -> InnerRun:
    page = inner.root / "page.md"
    return inner.run(
        "-n2", "--seatrial-seed=7", plugins=["xdist.plugin"], variables={"GITHUB_STEP_SUMMARY": str(page)}
    )


def test_the_workers_of_a_run_write_one_result(inner: Inner, parallel: InnerRun) -> None:
    result = parallel.result
    assert result.counts == Counts(passed=9, failed=3, skipped=2)
    assert result.skips == (SkipCount(capability="gold", reason="the vault is empty", count=2),)
    assert result.state == "failed"
    assert result.seed == 7
    assert len(result.slowest) == 5
    assert {failure.message.splitlines()[0] for failure in result.failures} == {
        f"AssertionError: bad {n}" for n in range(3)
    }
    for failure in result.failures:
        assert failure.artifacts is not None
        assert failure.artifacts.startswith(result.artifacts)
        assert "hello" in "".join(failure.logs["child"])
        assert (inner.root / failure.artifacts / "child.log").is_file()
        assert "-p seatrial.plugin" in failure.repro
    assert [path.name for path in (inner.root / "reports" / "local").glob("*.json")] == ["result.json"]


def test_the_page_of_the_job_has_the_same(inner: Inner, parallel: InnerRun) -> None:
    page = (inner.root / "page.md").read_text()
    assert page.count("### local: failed") == 1
    for failure in parallel.result.failures:
        assert failure.nodeid in page


def test_a_result_of_one_of_several_runs_has_its_name(inner: Inner) -> None:
    run = inner.run("--seatrial-run=half", "-k", "worker")
    assert run.status == 0
    document = json.loads((inner.root / "reports" / "local" / "result-half.json").read_text())
    assert document["counts"]["passed"] == 1
    (inner.root / "reports" / "local" / "result-half.json").unlink()


def test_collecting_only_leaves_the_last_result_alone(new_inner: Callable[[str], Inner]) -> None:
    inner = new_inner("def test_a(): ...\n")
    assert inner.run("--collect-only").status == 0
    assert not (inner.root / "reports").exists()


def test_a_place_that_cannot_be_written_is_one_line(new_inner: Callable[[str], Inner]) -> None:
    inner = new_inner("def test_a(): ...\n")
    inner.write("reports", "a file")
    run = inner.run()
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "name a directory that can be written: --seatrial-reports=DIR" in run.output
    assert "Traceback" not in run.output
