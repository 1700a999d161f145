"""Interpreters are found by running them: a name on PATH proves nothing."""

import sys
from pathlib import Path

import pytest

from house import interpreters

RUNNING = interpreters.running()
OTHERS = [version for version in interpreters.SUPPORTED if version != RUNNING.version]


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def claims(version: str, implementation: str = "cpython") -> str:
    """A program that answers like an interpreter of that version."""
    return f"echo {version} {implementation} /nowhere"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")}


def test_the_running_interpreter_is_always_present(environment: dict[str, str]) -> None:
    assert interpreters.present(environment) == [RUNNING]
    assert RUNNING.path.exists()
    assert RUNNING.path != Path(sys.executable) or sys.prefix == sys.base_prefix


@pytest.mark.parametrize("version", OTHERS)
def test_one_on_path_is_found(version: str, environment: dict[str, str], tmp_path: Path) -> None:
    path = script(tmp_path / "bin" / f"python{version}", claims(version))
    assert interpreters.Interpreter(version, path) in interpreters.present(environment)


@pytest.mark.parametrize(
    "text", ["exit 127", "echo 'command not found'", f"{claims('3.9')}", claims(OTHERS[0], "pypy")]
)
def test_a_shim_that_fails_or_is_something_else_is_passed_over(
    text: str, environment: dict[str, str], tmp_path: Path
) -> None:
    script(tmp_path / "bin" / f"python{OTHERS[0]}", text)
    assert interpreters.present(environment) == [RUNNING]


def test_a_version_managers_own_folder_is_looked_into_behind_a_broken_shim(
    environment: dict[str, str], tmp_path: Path
) -> None:
    version = OTHERS[0]
    script(tmp_path / "bin" / f"python{version}", "exit 127")
    path = script(
        tmp_path / "home" / ".pyenv" / "versions" / f"{version}.4" / "bin" / "python3", claims(version)
    )
    assert interpreters.Interpreter(version, path) in interpreters.present(environment)


def test_they_come_oldest_first_and_each_version_once(environment: dict[str, str], tmp_path: Path) -> None:
    for version in (*OTHERS, RUNNING.version):
        script(tmp_path / "bin" / f"python{version}", claims(version))
    assert [found.version for found in interpreters.present(environment)] == list(interpreters.SUPPORTED)
