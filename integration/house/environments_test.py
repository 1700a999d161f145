"""An environment is made once, and again only when something about it changed."""

import subprocess
from pathlib import Path

import pytest
import uv

from house import environments, interpreters
from house.environments import EnvironmentFault, Installed

RUNNING = interpreters.running()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one distribution, an empty lock, and uv among its tools."""
    tools = tmp_path / ".seatrial" / "tools" / "bin"
    tools.mkdir(parents=True)
    (tools / "uv").write_text(
        f'#!/bin/sh\necho "$1 $2" >> {tmp_path}/calls\nexec {uv.find_uv_bin()} --offline "$@"\n'
    )
    (tools / "uv").chmod(0o755)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "unit.txt").write_text("# nothing\n")
    package = tmp_path / "project" / "project"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("ANSWER = 42\n")
    write_project(tmp_path, "1")
    return tmp_path


def write_project(tree: Path, version: str) -> None:
    (tree / "project" / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
        f'[project]\nname = "project"\nversion = "{version}"\nrequires-python = ">=3.11"\n'
        '[tool.uv.build-backend]\nmodule-name = "project"\nmodule-root = ""\n'
    )


def install(tree: Path) -> Installed:
    return environments.install(tree, "unit", ["project"], RUNNING)


def calls(tree: Path) -> list[str]:
    return (tree / "calls").read_text().splitlines()


def test_the_project_is_importable_from_its_sources(tree: Path) -> None:
    python = install(tree).python
    (tree / "project" / "project" / "__init__.py").write_text("ANSWER = 43\n")
    ran = subprocess.run(
        [python, "-c", "import project; print(project.ANSWER)"], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "43\n"


def test_the_second_time_nothing_is_run(tree: Path) -> None:
    first = install(tree)
    before = calls(tree)
    assert install(tree) == first
    assert calls(tree) == before


@pytest.mark.parametrize("change", ["lock", "project"])
def test_a_change_installs_again_into_the_same_environment(change: str, tree: Path) -> None:
    install(tree)
    before = len(calls(tree))
    if change == "lock":
        (tree / "requirements" / "unit.txt").write_text("# still nothing\n")
    else:
        write_project(tree, "2")
    install(tree)
    assert calls(tree)[before:] == ["pip sync", "pip install", "pip check"]


def test_an_environment_whose_interpreter_went_away_is_made_anew(tree: Path) -> None:
    python = install(tree).python
    python.unlink()
    install(tree)
    assert python.exists()
    assert calls(tree).count("venv --quiet") == 2


def test_an_installation_that_failed_is_tried_again(tree: Path) -> None:
    (tree / "requirements" / "unit.txt").write_text("absent==1 --hash=sha256:" + "0" * 64 + "\n")
    for _ in range(2):
        with pytest.raises(EnvironmentFault, match=r"`pip sync` failed for .*unit.txt:\n(.|\n)*absent"):
            install(tree)


def test_a_missing_lock_is_named_with_the_remedy(tree: Path) -> None:
    (tree / "requirements" / "unit.txt").unlink()
    with pytest.raises(EnvironmentFault, match=r"unit.txt: No such file or directory \(run `nox -s lock`"):
        install(tree)
