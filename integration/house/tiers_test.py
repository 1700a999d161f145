"""tiers.toml and the tree agree: each test file has one tier, each path has tests, each promise is kept."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

from house import tree
from house.rooms import services
from seatrial import tier
from seatrial.tier import Lane

ROOT: Final = Path(__file__).parents[2]
TIERS: Final = tier.load(ROOT / tier.FILE_NAME)
FILES: Final = [PurePosixPath(name) for name in tree.files(ROOT)]
TEST_FILES: Final = [file for file in FILES if file.name.endswith(("_test.py", "_bench.py"))]


def test_every_test_file_belongs_to_exactly_one_tier() -> None:
    assert TEST_FILES
    owners = {str(file): [each.name for each in TIERS.owners(file)] for file in TEST_FILES}
    assert {file: names for file, names in owners.items() if len(names) != 1} == {}


def test_no_file_of_tests_has_a_name_that_pytest_passes_over() -> None:
    assert [str(file) for file in FILES if file.match("test_*.py") or file.match("*_tests.py")] == []


def test_every_path_of_a_tier_holds_tests() -> None:
    runs = [(each.name, run) for each in TIERS for run in each.runs]
    paths = [(name, path) for name, run in runs for path in run.paths]
    assert [where for where in paths if not any(file.is_relative_to(where[1]) for file in TEST_FILES)] == []
    excluded = [(name, path) for name, run in runs for path in run.exclude]
    assert [where for where in excluded if not (ROOT / where[1]).exists()] == []


def test_every_service_has_its_own_tests_run_in_an_environment_of_its_own() -> None:
    environment_of = {path: run.environment for run in TIERS["unit"].runs for path in run.paths}
    for name in services(ROOT):
        assert environment_of.get(f"services/{name}") == f"{name}-unit"


def test_every_environment_is_used_and_has_a_lock() -> None:
    used = {run.environment for each in TIERS for run in each.runs} | {"lint"}
    assert set(TIERS.environments) == used
    assert [name for name, each in TIERS.environments.items() if not (ROOT / each.lock).is_file()] == []


def test_the_tiers_without_tests_are_known_to_nox() -> None:
    """A tier that has neither runs nor others' runs would be green for nothing."""
    assert [each.name for each in TIERS if not each.runs and not each.includes] == ["lint"]


def run_without(capability: str, file: Path, tier_name: str, lane: Lane, folder: Path) -> str:
    """What pytest says of a test that requires a capability that this machine lacks."""
    (folder / "conftest.py").write_text(
        "from seatrial.rules import capability\n"
        f"capability._answers[{capability!r}] = capability.Absence({capability!r}, 'taken away', 'bring it back')\n"
    )
    (folder / "needy_test.py").write_text(
        f"import pytest\n\n\n@pytest.mark.requires({capability!r})\ndef test_needy():\n    pass\n"
    )
    options = [
        "-p",
        "seatrial.plugin",
        "--rootdir",
        str(folder),
        "-c",
        os.devnull,
        "-o",
        "python_files=*_test.py",
    ]
    tier_options = ["--seatrial-tiers", str(file), "--seatrial-tier", tier_name]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tier_options, str(folder)],
        cwd=folder,
        env={
            **os.environ,
            "CI": "true" if lane is Lane.CI else "",
            "GITHUB_STEP_SUMMARY": "",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def is_red(said: str) -> bool:
    assert "taken away" in said
    assert ("1 failed" in said) is not ("1 skipped" in said), said
    return "1 failed" in said


def test_what_this_repositorys_tiers_promise_is_red_where_it_is_missing(tmp_path: Path) -> None:
    for each in TIERS:
        for capability in each.capabilities:
            for lane in Lane:
                said = run_without(capability, TIERS.file, each.name, lane, tmp_path)
                assert is_red(said) is each.mandatory(capability, lane), (each.name, capability, lane)


@pytest.mark.parametrize("lane", list(Lane))
def test_a_promise_for_one_lane_is_enforced_there_and_a_skip_elsewhere(lane: Lane, tmp_path: Path) -> None:
    file = tmp_path / tier.FILE_NAME
    file.write_text(
        '[tier.t]\npurpose = "p"\ntriggers = ["push"]\nbudget = "9 s"\nskips = 1\ncapabilities = { ipv6 = ["ci"] }\n'
    )
    assert is_red(run_without("ipv6", file, "t", lane, tmp_path)) is (lane is Lane.CI)
