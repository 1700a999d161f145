"""A hole in the exercised contract makes a whole run red, and only a whole run."""

from collections import Counter
from pathlib import Path

import pytest

from contracts.coverage import Cell, record
from seatrial.results import reports

pytest_plugins = ["pytester"]

CONFTEST = """
from pathlib import Path
from contracts import coverage
from contracts.coverage import Boundary, Cell

CELLS = frozenset({{Cell("api", "get", "200"), Cell("api", "get", "404 not_found")}})

def pytest_configure(config):
    coverage.hold(config, Boundary("pair", Path(__file__).parent, CELLS, {exempt!r}))
"""
ONE = """
from contracts.coverage import Cell, exercised

def test_found():
    exercised(Cell("api", "get", "200"))
"""
OTHER = """
from contracts.coverage import Cell, exercised

def test_not_found():
    exercised(Cell("api", "get", "404 not_found"))
"""
NOTHING = "def test_nothing(): pass"
HOLE = "*never exercised  api get: 404 not_found"
XDIST = ("-p", "xdist.plugin", "-n", "2")


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    directory = pytester.mkpydir("pair")
    (directory / "conftest.py").write_text(CONFTEST.format(exempt={}))
    (directory / "one_test.py").write_text(ONE)
    (directory / "other_test.py").write_text(OTHER)
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    options = ("-p", "contracts.coverage", "-o", "python_files=*_test.py", "-p", "no:cacheprovider")
    return suite.runpytest_subprocess(*options, *arguments)


@pytest.mark.parametrize("workers", [(), XDIST], ids=["alone", "workers"])
def test_a_filled_contract_is_green(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    result = run(suite, *workers)
    result.stdout.fnmatch_lines(["pair: 2 of 2 documented outcomes exercised, 0 exempt"])
    assert result.ret == pytest.ExitCode.OK


@pytest.mark.parametrize("workers", [(), XDIST], ids=["alone", "workers"])
def test_a_hole_is_red(suite: pytest.Pytester, workers: tuple[str, ...]) -> None:
    (suite.path / "pair" / "other_test.py").write_text(NOTHING)
    result = run(suite, *workers)
    result.stdout.fnmatch_lines(["pair: 1 of 2 documented outcomes exercised*", HOLE])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "selection",
    [
        ("-k", "found and not not_found"),
        ("pair/one_test.py",),
        ("pair/one_test.py::test_found",),
        ("--collect-only",),
    ],
)
def test_a_selection_is_not_held_to_the_whole(suite: pytest.Pytester, selection: tuple[str, ...]) -> None:
    result = run(suite, *selection)
    result.stdout.fnmatch_lines(["*documented outcomes exercised*(only a part of the suite ran)"])
    result.stdout.no_fnmatch_line("*never exercised*")
    assert result.ret == pytest.ExitCode.OK


def test_what_only_another_suite_exercises_is_a_hole(suite: pytest.Pytester) -> None:
    (suite.path / "pair" / "other_test.py").write_text(NOTHING)
    (suite.mkpydir("stranger") / "stranger_test.py").write_text(OTHER)
    result = run(suite)
    result.stdout.fnmatch_lines(["pair: 1 of 2 documented outcomes exercised*", HOLE])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("workers", [(), XDIST], ids=["alone", "workers"])
def test_a_run_of_the_harness_keeps_a_record_and_a_page_and_has_the_hole_in_its_result(
    suite: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    (suite.path / "pair" / "other_test.py").write_text(NOTHING)
    result = run(suite, "-p", "seatrial.plugin", *workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    folder = suite.path / "reports" / "local"
    kept = record.read(folder / "coverage.json")
    assert kept.seen == {Cell("api", "get", "200"): Counter({"pair/one_test.py::test_found": 1})}
    assert [(each.boundary, each.folder, each.whole) for each in kept.promises] == [("pair", "pair", True)]
    assert "never exercised  api get: 404 not_found" in kept.holes["pair"]
    assert "Contract coverage of local" in (folder / "coverage.html").read_text()
    ended = reports.load(suite.path / "reports", "local")
    assert ended is not None
    assert ended.state == "failed"
    assert ended.problems == ("contract coverage of pair: never exercised  api get: 404 not_found",)


def test_the_runs_of_a_tier_make_one_page(suite: pytest.Pytester) -> None:
    for name in ("one", "two"):
        run(suite, "-p", "seatrial.plugin", f"--seatrial-run={name}")
    page = (suite.path / "reports" / "local" / "coverage.html").read_text()
    assert "<td>one</td>" in page
    assert "<td>two</td>" in page
    assert '["pair/one_test.py::test_found", 2]' in page


def test_a_failure_keeps_its_own_status_and_still_names_the_hole(suite: pytest.Pytester) -> None:
    (suite.path / "pair" / "other_test.py").write_text("def test_broken(): raise AssertionError")
    result = run(suite)
    result.stdout.fnmatch_lines([HOLE])
    result.assert_outcomes(passed=1, failed=1)


def test_an_exemption_with_a_reason_is_green(suite: pytest.Pytester) -> None:
    exempt = {"api get: 404 not_found": "nothing is ever missing here"}
    (suite.path / "pair" / "conftest.py").write_text(CONFTEST.format(exempt=exempt))
    (suite.path / "pair" / "other_test.py").write_text(NOTHING)
    result = run(suite)
    result.stdout.fnmatch_lines(["*exempt*api get: 404 not_found (nothing is ever missing here)"])
    assert result.ret == pytest.ExitCode.OK


def test_an_exemption_that_is_not_needed_is_red(suite: pytest.Pytester) -> None:
    exempt = {"api get: 404 not_found": "nothing is ever missing here"}
    (suite.path / "pair" / "conftest.py").write_text(CONFTEST.format(exempt=exempt))
    result = run(suite)
    result.stdout.fnmatch_lines(["*exempt, but exercised*api get: 404 not_found"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_exemption_of_what_nobody_promises_is_an_error(suite: pytest.Pytester) -> None:
    (suite.path / "pair" / "conftest.py").write_text(CONFTEST.format(exempt={"api get: 418": "no"}))
    result = run(suite)
    assert result.ret != pytest.ExitCode.OK
    assert "no contract promises it" in result.stdout.str() + result.stderr.str()
