"""A copy of what services are built from, one for each worker, with one mutant in it at a time."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import patch
from mutant import Mutant

SERVICES: Final = "services"
_LOCKS: Final = "requirements"
_LEFT_OUT: Final = shutil.ignore_patterns(
    "__pycache__",
    "*.pyc",
    "*_test.py",
    "conftest.py",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
)


class Tree:
    """A copy of the folders `services` and `requirements` of a checkout, without tests and without what tools leave there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def copy(cls, checkout: Path, root: Path) -> "Tree":
        """Copy them to `root`, which must not exist yet."""
        shutil.copytree(checkout / SERVICES, root / SERVICES, ignore=_LEFT_OUT)
        shutil.copytree(checkout / _LOCKS, root / _LOCKS)
        return cls(root)

    @property
    def services(self) -> Path:
        """The folder to build services from."""
        return self.root / SERVICES

    @contextmanager
    def with_mutant(self, mutant: Mutant) -> Iterator[None]:
        """The tree with a mutant in it, while this is entered. Raises PatchError; then nothing was changed."""
        original: dict[Path, bytes] = {}
        mutated: dict[Path, str] = {}
        for name, hunks in mutant.patch.items():
            path = self.services / name
            if not path.is_file():
                raise patch.PatchError(
                    f"{name}: there is no such file any more (make the patch anew, or remove the mutant)"
                )
            original[path] = path.read_bytes()
            mutated[path] = patch.apply(name, original[path].decode(), hunks)
        try:
            for path, text in mutated.items():
                path.write_text(text, encoding="utf-8")
            yield
        finally:
            for path, content in original.items():
                path.write_bytes(content)
