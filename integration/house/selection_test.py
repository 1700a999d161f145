"""What a person passes on to pytest reaches the runs that it concerns, and no other."""

from pathlib import Path

import pytest

from house.selection import arguments_for, pytest_command
from seatrial.tier import Run

FIRST = Run(environment="first", paths=("first", "shared/first_test.py"), exclude=("first/slow",))
SECOND = Run(environment="second", paths=("second",), markers="not slow", workers=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("first/a_test.py", "first/slow/b_test.py", "shared/first_test.py", "second/c_test.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "first", "second"),
    [
        ([], [], []),
        (["-k", "replay", "-x"], ["-k", "replay", "-x"], ["-k", "replay", "-x"]),
        (["-x", "first/a_test.py"], ["-x", "first/a_test.py"], None),
        (["second/c_test.py::test_it[a-b]"], None, ["second/c_test.py::test_it[a-b]"]),
        (["first", "second"], ["first"], ["second"]),
        (["shared", "-x"], ["shared/first_test.py", "-x"], None),
        (["."], ["first", "shared/first_test.py"], ["second"]),
        (["first/slow/b_test.py"], None, None),
        (["-k", "first"], ["-k", "first"], ["-k", "first"]),
        (["nowhere_test.py"], ["nowhere_test.py"], ["nowhere_test.py"]),
    ],
)
def test_a_run_gets_its_own_part_of_the_paths_and_every_option(
    given: list[str], first: list[str] | None, second: list[str] | None, root: Path
) -> None:
    assert arguments_for(root, FIRST, given) == first
    assert arguments_for(root, SECOND, given) == second


def test_a_command_has_the_plugins_by_name_and_the_runs_own_paths(root: Path) -> None:
    command = pytest_command(root, FIRST, ["pytest_timeout"], root / "env" / "python", ["-x"])
    assert command[:6] == ["env/python", "-m", "pytest", "-p", "pytest_timeout", "--timeout=120"]
    assert command[6:] == ["--ignore=first/slow", "first", "shared/first_test.py", "-x"]


def test_workers_and_markers_go_into_the_command(root: Path) -> None:
    command = " ".join(pytest_command(root, SECOND, ["xdist.plugin"], root / "python", []))
    assert "-n 2 --dist worksteal --max-worker-restart 0 -m not slow second" in command


def test_a_path_replaces_the_runs_own(root: Path) -> None:
    assert pytest_command(root, SECOND, [], root / "python", ["second/c_test.py"])[-1:] == [
        "second/c_test.py"
    ]
    assert "second" not in pytest_command(root, SECOND, [], root / "python", ["second/c_test.py"])
