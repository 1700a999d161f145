"""Addresses of package registries and paths of one machine are found, whatever file they are in."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from house import tree

ROOT: Final = Path(__file__).parents[2]

# Put together here, so that this file does not offend itself.
REGISTRY: Final = "py" + "pi.org"
HOME: Final = "/ho" + "me/ada/"


def offences(folder: Path, text: str) -> list[str]:
    (folder / "file.txt").write_text(text)
    return [f"{finding.line}: {finding.text}" for finding in tree.findings(folder, ["file.txt"])]


@pytest.mark.parametrize(
    "text",
    [
        f"https://{REGISTRY}/simple",
        "files.pyth" + "onhosted.org",
        "registry.np" + "mjs.org",
        "deb.deb" + "ian.org",
    ],
)
def test_a_registry_is_found(text: str, tmp_path: Path) -> None:
    assert len(offences(tmp_path, f"fine\n--index-url {text}\n")) == 1


@pytest.mark.parametrize(
    "text", [HOME + "project", "/Us" + "ers/ada/project", "/ro" + "ot/.cache", "/wo" + "rk/main"]
)
def test_a_path_of_one_machine_is_found(text: str, tmp_path: Path) -> None:
    assert len(offences(tmp_path, f"source = {text}\n")) == 1


@pytest.mark.parametrize(
    "text", ["the /usr/bin/python3 of Debian", "GET /api/v1/work/items", "~/.pyenv", "$HOME/x", "a/work/b"]
)
def test_ordinary_text_is_not(text: str, tmp_path: Path) -> None:
    assert offences(tmp_path, text) == []


def test_a_binary_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_bytes(b"\xff\xfe" + REGISTRY.encode())
    assert list(tree.findings(tmp_path, ["file.txt"])) == []


def test_files_not_committed_yet_are_looked_at_and_ignored_ones_are_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("made/\n")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "b.txt").touch()
    (tmp_path / "a.txt").touch()
    assert tree.files(tmp_path) == [".gitignore", "a.txt"]


def test_without_git_the_files_are_walked(tmp_path: Path) -> None:
    for name in ("a.txt", ".seatrial/b.txt", "__pycache__/c.pyc", "folder/d.txt", ".ci/run"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert tree.files(tmp_path) == [".ci/run", "a.txt", "folder/d.txt"]


def test_this_repository_offends_nobody() -> None:
    assert [str(finding) for finding in tree.findings(ROOT, tree.files(ROOT))] == []
