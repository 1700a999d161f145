"""The trees that are compared: copies of `services/` and `requirements/`, of a commit or as they stand."""

import io
import os
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PARTS: Final = ("services", "requirements")
_SLOWED: Final = Path("services/gateway/gateway/commands.py")
_SLOWER: Final = """

import asyncio as _asyncio

_promptly = Commands.execute


async def _late(self: Commands, raw: bytes, context: Context) -> bytes | None:
    await _asyncio.sleep({seconds!r})
    return await _promptly(self, raw, context)


Commands.execute = _late
"""


class TreeError(Exception):
    """A tree that cannot be had; names the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One version's sources."""

    folder: Path
    origin: str
    """What it is a copy of, for a person."""
    commit: str | None = None

    @property
    def services(self) -> Path:
        """What `SEATRIAL_SERVICES` names."""
        return self.folder / "services"


def of_commit(root: Path, ref: str, folder: Path) -> Tree:
    """The tree of a branch, a tag or a commit. Raises TreeError for a ref that git does not know or that has no services."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    commit = found.stdout.decode().strip()
    if found.returncode or not commit:
        reason = (
            found.stderr.decode(errors="replace").strip() or "there is no such branch, tag or commit here"
        )
        raise TreeError(
            f"--against {ref}: {reason} (`git log --oneline` and `git tag` list some; a shallow clone has to fetch it)"
        )
    archived = _git(root, "archive", "--format=tar", commit, *_PARTS)
    if archived.returncode:
        raise TreeError(
            f"--against {ref}: {commit[:12]} has no {' and '.join(f'{part}/' for part in _PARTS)}: "
            f"{archived.stderr.decode(errors='replace').strip()} (name a later commit)"
        )
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return Tree(folder, f"{ref} ({commit[:12]})" if not commit.startswith(ref) else commit[:12], commit)


def of_working_tree(root: Path, folder: Path) -> Tree:
    """The tree as it stands, uncommitted changes and new files included. Raises TreeError outside of a checkout."""
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *_PARTS)
    if listed.returncode:
        raise TreeError(
            f"{root}: {listed.stderr.decode(errors='replace').strip()} (run it in a git checkout)"
        )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        source, target = root / name, folder / name
        if source.is_file():  # one that is deleted and not committed is still listed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return Tree(folder, "the working tree")


def slow_down(tree: Tree, milliseconds: float) -> Tree:
    """Have its gateway wait before it handles a command. Raises TreeError when its gateway has no such place."""
    module = tree.folder / _SLOWED
    try:
        text = module.read_text(encoding="utf-8")
    except OSError as error:
        raise TreeError(
            f"{_SLOWED}: {error.strerror}; commands are handled elsewhere now (correct trees.py)"
        ) from None
    if "async def execute(self, raw: bytes, context: Context) -> bytes | None:" not in text:
        raise TreeError(f"{_SLOWED} has no Commands.execute(raw, context) any more (correct trees.py)")
    module.write_text(text + _SLOWER.format(seconds=milliseconds / 1000), encoding="utf-8")
    return Tree(tree.folder, f"{tree.origin}, commands {milliseconds:g} ms slower", tree.commit)


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except OSError as error:
        raise TreeError(f"git cannot be run: {error.strerror} (install git)") from None
