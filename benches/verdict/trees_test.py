"""Trees of a real repository: of a commit, as they stand, and slowed down."""

import os
import subprocess
from pathlib import Path

import pytest

from verdict.trees import TreeError, of_commit, of_working_tree, slow_down

COMMANDS = """class Commands:
    async def execute(self, raw: bytes, context: Context) -> bytes | None:
        return raw
"""


def git(root: Path, *arguments: str) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = {
        f"GIT_{who}_{what}": f"{who}@example.test"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    ran = subprocess.run(
        ["git", "-C", str(root), "-c", "init.defaultBranch=main", *arguments],
        env={**plain, **identity, "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit with services, then one with another text, then changes that are not committed."""
    root = tmp_path / "repository"
    module = root / "services" / "gateway" / "gateway" / "commands.py"
    module.parent.mkdir(parents=True)
    (root / "requirements").mkdir()
    git(root, "init", "--quiet")
    (root / "README.md").write_text("no services yet\n")
    git(root, "add", "README.md")
    git(root, "commit", "--quiet", "--message", "empty")
    git(root, "tag", "empty")
    module.write_text(COMMANDS)
    (root / "requirements" / "gateway.txt").write_text("# first\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    git(root, "tag", "first")
    (root / "requirements" / "gateway.txt").write_text("# second\n")
    (root / "requirements" / "gone.txt").write_text("")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "second")
    (root / "requirements" / "gone.txt").unlink()
    (root / "requirements" / "new.txt").write_text("# new\n")
    (root / ".gitignore").write_text("*.pyc\n")
    (root / "services" / "left.pyc").write_text("")
    return root


def locks(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "requirements").iterdir()}


def test_a_ref_is_taken_as_it_was_committed(repository: Path, tmp_path: Path) -> None:
    tree = of_commit(repository, "first", tmp_path / "a")
    assert locks(tree.folder) == {"gateway.txt": "# first\n"}
    assert (tree.services / "gateway" / "gateway" / "commands.py").read_text() == COMMANDS
    assert sorted(path.name for path in tree.folder.iterdir()) == ["requirements", "services"]
    commit = git(repository, "rev-parse", "first")
    assert (tree.commit, tree.origin) == (commit, f"first ({commit[:12]})")
    assert of_commit(repository, commit[:9], tmp_path / "b").origin == commit[:12]


def test_the_working_tree_is_taken_with_what_is_not_committed_and_without_what_is_ignored(
    repository: Path, tmp_path: Path
) -> None:
    tree = of_working_tree(repository, tmp_path / "b")
    assert locks(tree.folder) == {"gateway.txt": "# second\n", "new.txt": "# new\n"}
    assert not (tree.services / "left.pyc").exists()


@pytest.mark.parametrize("ref", ["nowhere", "--help", "first:README.md", ""])
def test_a_ref_that_is_none_is_named(repository: Path, tmp_path: Path, ref: str) -> None:
    with pytest.raises(TreeError, match=f"--against {ref}: .*git log"):
        of_commit(repository, ref, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_commit_without_services_is_named(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="--against empty: .* has no services/ and requirements/"):
        of_commit(repository, "empty", tmp_path / "a")


def test_a_folder_that_is_no_checkout_is_named(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="run it in a git checkout"):
        of_working_tree(tmp_path, tmp_path / "b")


def test_a_slowed_gateway_waits_before_it_handles_a_command(repository: Path, tmp_path: Path) -> None:
    tree = slow_down(of_working_tree(repository, tmp_path / "b"), 20)
    text = (tree.services / "gateway" / "gateway" / "commands.py").read_text()
    names: dict[str, object] = {"Context": object}
    exec(compile(text, "commands.py", "exec"), names)  # noqa: S102 - it is what the gateway would import
    asked = (
        "import asyncio, time\n"
        "begun = time.monotonic()\n"
        "assert asyncio.run(Commands().execute(b'raw', None)) == b'raw'\n"
        "took = time.monotonic() - begun\n"
    )
    exec(asked, names)  # noqa: S102
    took = names["took"]
    assert isinstance(took, float)
    assert took >= 0.02
    assert tree.origin == "the working tree, commands 20 ms slower"


def test_a_gateway_that_handles_commands_elsewhere_cannot_be_slowed(repository: Path, tmp_path: Path) -> None:
    tree = of_working_tree(repository, tmp_path / "b")
    module = tree.services / "gateway" / "gateway" / "commands.py"
    module.write_text("")
    with pytest.raises(TreeError, match="no Commands.execute"):
        slow_down(tree, 5)
    module.unlink()
    with pytest.raises(TreeError, match="commands.py: No such file"):
        slow_down(tree, 5)
