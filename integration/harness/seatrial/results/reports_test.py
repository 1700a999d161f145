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
        seed=8,
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
    assert merged.seed == 0


@pytest.mark.parametrize(
    ("spans", "covered"),
    [
        ([(0, 9), (9, 1)], 10),
        ([(0, 9), (3, 2)], 9),
        ([(0, 9), (3, 9)], 12),
        ([(3, 9), (0, 9), (40, 2)], 14),
    ],
    ids=["behind", "within", "overlapping", "with a pause"],
)
def test_what_ran_side_by_side_counts_once(spans: list[tuple[int, int]], covered: float) -> None:
    runs = [
        replace(RESULT, started_at=f"2026-11-21T10:00:{start:02}.000Z", duration_s=seconds)
        for start, seconds in spans
    ]
    assert reports.merge(runs).duration_s == covered


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
    result = replace(
        RESULT,
        counts=replace(RESULT.counts, quarantined=1, xfailed=4),
        failures=(replace(RESULT.failures[0], artifacts="reports/harbour/artifacts/a"),),
    )
    assert summary.text(result, ["reports/harbour/"]).splitlines() == [
        "state      FAILED",
        "tests      3 passed, 1 failed, 2 skipped, 4 failed as expected, 1 in quarantine",
        "skipped    2 x docker: no engine",
        "problem    2 tests were skipped",
        "failed     a_test.py::test (call)",
        "             ```",
        "             reports/harbour/artifacts/a",
        "slowest       4.50 s  a_test.py::test",
        "time       9.0 s of 60 s",
        "seed       7",
        "reports    reports/harbour/",
    ]


def test_a_tier_over_its_budget_says_so() -> None:
    assert "61.0 s of 60 s, OVER BUDGET" in summary.text(replace(RESULT, duration_s=61))
    assert "OVER" not in summary.text(replace(RESULT, duration_s=60))


def test_of_many_failures_the_first_are_named_and_the_rest_counted() -> None:
    many = tuple(replace(RESULT.failures[0], nodeid=f"a_test.py::test_{n}") for n in range(30))
    shown = summary.text(replace(RESULT, failures=many))
    assert "a_test.py::test_9 (call)" in shown
    assert "a_test.py::test_10" not in shown
    assert "and 20 more: seatrial why harbour" in shown
    page = summary.markdown(replace(RESULT, failures=many))
    assert page.count("```text") == 20
    assert "- <code>a_test.py::test_29</code>" in page


@pytest.mark.parametrize("width", [40, 79, 200])
def test_a_table_is_as_wide_as_the_terminal_but_for_what_is_copied(width: int) -> None:
    nodeid = "a_test.py::" + "x" * 200
    result = replace(
        RESULT,
        failures=(replace(RESULT.failures[0], nodeid=nodeid, message="boom " * 90 + "\nand a second line"),),
        slowest=(Duration(nodeid=nodeid, duration_s=4.5),),
        problems=("it went wrong " * 20,),
    )
    lines = summary.text(result, width=width).splitlines()
    assert [line for line in lines if len(line) > width] == [f"failed     {nodeid} (call)"]
    assert any(line.endswith("x" * 5) and "..." in line for line in lines) or width == 200
    assert "second" not in "".join(lines)


def test_what_a_terminal_or_a_page_would_obey_is_not_passed_on() -> None:
    bad = replace(RESULT, problems=("red \x1b[31m alert\nnow", "a|b <script>"))
    assert "\x1b" not in summary.text(bad)
    page = summary.markdown(bad)
    assert "a\\|b &lt;script&gt;" in page
    assert "alert now" in page


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


def test_a_run_by_hand_closes_with_its_table(parallel: InnerRun) -> None:
    table = parallel.output[parallel.output.index("seatrial: local") :]
    for line in ("state      FAILED", "tests      9 passed, 3 failed, 2 skipped", "seed       7"):
        assert line in table
    assert f"reports    {parallel.result.artifacts}" in table


def test_one_of_several_runs_has_its_name_and_leaves_the_table_to_who_closes_the_tier(inner: Inner) -> None:
    page = inner.root / "page of a part.md"
    run = inner.run("--seatrial-run=half", "-k", "worker", variables={"GITHUB_STEP_SUMMARY": str(page)})
    assert run.status == 0
    assert "state      " not in run.output
    assert not page.exists()
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
