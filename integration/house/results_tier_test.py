"""Every tier ends with one table over all its runs, on the terminal and on the job's page, whatever ended it."""

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from house import results, results_tier
from seatrial.results import reports
from seatrial.results.reports import Counts, Duration, Failure, RunResult, SkipCount
from seatrial.tier import Tier

HARBOUR = Tier(
    name="harbour", purpose="ships", budget=60, skips=1, triggers=frozenset(), capabilities={}, includes=()
)
FAILURE = Failure(
    nodeid="a_test.py::test_mast", when="call", message="it broke", repro="pytest a", artifacts="reports/a"
)


@pytest.fixture
def job_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "job.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    monkeypatch.setenv("COLUMNS", "100")
    return page


def part(root: Path, name: str | None, passed: int = 1, skipped: int = 0) -> RunResult:
    """A run of the tier that is green."""
    result = results.result(
        root, "harbour", "passed", 0.5,
        counts=Counts(passed=passed, skipped=skipped),
        skips=(SkipCount(capability="sea", reason="dry", count=skipped),) if skipped else (),
        slow=tuple(Duration(nodeid=f"{name}_test.py::test_{n}", duration_s=n) for n in range(1, 5)),
    )  # fmt: skip
    results.announce(root, "harbour", name)
    results.save(root, result, name)
    return result


def whole(root: Path) -> RunResult:
    result = reports.load(root / results.REPORTS, "harbour")
    assert result is not None
    return result


def test_all_runs_end_in_one_table(
    tmp_path: Path, job_page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with results_tier.closing(tmp_path, HARBOUR):
        part(tmp_path, "one", passed=2)
        part(tmp_path, "two", passed=3, skipped=1)
        part(tmp_path, None, passed=4)
        (tmp_path / "reports" / "harbour" / "chart.html").write_text("<p>")
    shown = capsys.readouterr().out
    assert shown.count("harbour: passed") == 1
    for line in (
        "tests      9 passed, 0 failed, 1 skipped",
        "skipped    1 x sea: dry",
        "reports    reports/harbour/",
        "           reports/harbour/chart.html",
    ):
        assert f"{line}\n" in shown
    assert shown.count(" s  ") == reports.SLOWEST
    assert " s of 60 s" in shown
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert job_page.read_text().count("### harbour: passed") == 1


def test_a_failure_of_a_run_is_named_and_what_ended_the_tier_is_not_told_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="pytest ended with 1"), results_tier.closing(tmp_path, HARBOUR):
        bad = replace(part(tmp_path, "one"), state="failed", counts=Counts(failed=1), failures=(FAILURE,))
        results.save(tmp_path, bad, "one")
        raise RuntimeError("one (pytest ended with 1)")
    shown = capsys.readouterr().out
    assert "failed     a_test.py::test_mast (call)\n             it broke\n             reports/a\n" in shown
    assert "pytest ended" not in shown
    assert whole(tmp_path).state == "failed"


def test_a_run_without_a_result_is_red_though_everything_else_is_green(
    tmp_path: Path, job_page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(results_tier.TierFault, match="two: left no result"),
        results_tier.closing(tmp_path, HARBOUR),
    ):
        part(tmp_path, "one")
        results.announce(tmp_path, "harbour", "two")
    assert "problem    two: left no result" in capsys.readouterr().out
    assert "harbour: failed" in job_page.read_text()
    assert whole(tmp_path).state == "failed"


def test_a_run_that_was_withdrawn_is_not_missed(tmp_path: Path) -> None:
    with results_tier.closing(tmp_path, HARBOUR, ["-k", "mast"]):
        part(tmp_path, "one")
        results.announce(tmp_path, "harbour", "two")
        results.withdraw(tmp_path, "harbour", "two")
    assert whole(tmp_path).state == "passed"
    assert "nox -s harbour -k mast" in whole(tmp_path).command


def test_a_run_that_was_killed_is_red(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    gone.wait()
    with (
        pytest.raises(results_tier.TierFault, match="one: was killed before its end"),
        results_tier.closing(tmp_path, HARBOUR),
    ):
        results.save(tmp_path, replace(part(tmp_path, "one"), state="running", pid=gone.pid), "one")
    assert whole(tmp_path).state == "killed"


def test_a_result_that_cannot_be_read_is_red_and_kept_aside(tmp_path: Path) -> None:
    with (
        pytest.raises(results_tier.TierFault, match="result-one.json: not a result file"),
        results_tier.closing(tmp_path, HARBOUR),
    ):
        part(tmp_path, "one")
        reports.path_of(tmp_path / "reports", "harbour", "one").write_text("{")
    assert (tmp_path / "reports" / "harbour" / "result-one.unreadable").read_text() == "{"
    assert whole(tmp_path).state == "failed"


def test_skips_are_counted_over_the_whole_tier(tmp_path: Path) -> None:
    with (
        pytest.raises(results_tier.TierFault, match="2 tests were skipped, tier harbour allows 1"),
        results_tier.closing(tmp_path, HARBOUR),
    ):
        part(tmp_path, "one", skipped=1)
        part(tmp_path, "two", skipped=1)


def test_what_ended_a_tier_before_its_runs_is_in_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError), results_tier.closing(tmp_path, HARBOUR):
        raise RuntimeError("no engine answers")
    assert "problem    no engine answers" in capsys.readouterr().out
    assert whole(tmp_path).state == "failed"


def test_an_interrupted_tier_ends_with_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(KeyboardInterrupt), results_tier.closing(tmp_path, HARBOUR):
        part(tmp_path, "one", passed=2)
        results.announce(tmp_path, "harbour", "two")
        raise KeyboardInterrupt
    shown = capsys.readouterr().out
    assert "state      INTERRUPTED\ntests      2 passed" in shown
    assert "problem" not in shown
    assert whole(tmp_path).state == "interrupted"


def test_what_earlier_runs_left_does_not_count(tmp_path: Path) -> None:
    part(tmp_path, "one", passed=5)
    part(tmp_path, None, passed=5)
    coverage = tmp_path / "reports" / "harbour" / "coverage-one.json"
    coverage.write_text("{}")
    with results_tier.closing(tmp_path, HARBOUR):
        assert whole(tmp_path).state == "running"
        part(tmp_path, "two")
    assert whole(tmp_path).counts == Counts(passed=1)
    assert not coverage.exists()


def test_the_time_is_the_tiers_own_and_not_the_sum_of_its_runs(tmp_path: Path) -> None:
    with results_tier.closing(tmp_path, HARBOUR):
        for name in ("one", "two", "three"):
            slow = replace(part(tmp_path, name), started_at="2026-11-21T10:00:00.000Z", duration_s=30.0)
            results.save(tmp_path, slow, name)
    own = reports.read(reports.path_of(tmp_path / "reports", "harbour", results_tier.OWN))
    assert whole(tmp_path).duration_s == round(30.0 + own.duration_s, 3)
