"""A source tree in memory: what is hashed is what is built, whatever happens to the checkout meanwhile."""

import fnmatch
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

# What tools leave in a tree, at any depth, and at its root.
_CACHES: Final = frozenset(
    {
        *(".git", ".hg", ".svn", ".venv", ".tox", ".nox", ".idea", "__pycache__", "node_modules"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".seatrial"),
    }
)
_OUTPUTS: Final = frozenset({"build", "dist"})

Files = Mapping[str, tuple[bytes, int]]
"""A tree in memory: path below its root -> (content, permission bits)."""


def read_tree(root: Path, excluded: Sequence[str]) -> Files:
    """The files below `root`, without what tools leave there and without the names that match `excluded`."""
    unwanted = re.compile("|".join(map(fnmatch.translate, ("*.pyc", *excluded))))
    files: dict[str, tuple[bytes, int]] = {}
    seen: set[tuple[int, int]] = set()

    def read(directory: str, below: str) -> None:
        status = os.stat(directory)
        if (status.st_dev, status.st_ino) in seen:  # a symbolic link back into the tree
            return
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(directory) as entries:
            for entry in entries:
                path = below + entry.name
                if entry.is_dir():
                    skipped = entry.name in _CACHES or entry.name.endswith(".egg-info")
                    if not skipped and path not in _OUTPUTS:
                        read(entry.path, f"{path}/")
                # Neither dangling links nor sockets are files.
                elif entry.is_file() and not unwanted.match(entry.name):
                    mode = 0o755 if entry.stat().st_mode & 0o100 else 0o644
                    with open(entry.path, "rb", buffering=0) as file:
                        files[path] = (file.readall(), mode)

    read(str(root), "")
    return files


def write_tree(root: Path, files: Files) -> None:
    """Write `files` below `root`."""
    for path, (content, mode) in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)
