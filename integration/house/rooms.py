"""Who may know whom: the rooms of this repository, and what each must never import.

A room's own `ruff.toml` bans what is forbidden in it, with the reason; `rooms_test.py` holds those files to what is said here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIBRARY: Final = "servicekit"
"""The services' one shared library."""

# Folders of integration/ that are no boundary suites.
_SHARED: Final = ("harness", "contracts", "house")
_HARNESS: Final = "seatrial"


@dataclass(frozen=True, slots=True)
class Room:
    """A folder with one answer to "who may know me?"."""

    folder: str
    """Relative to the repository."""
    package: str | None
    """The package that lives in it; None where there is none to import."""
    known: frozenset[str]
    """The packages of this repository that it may import besides its own."""


def services(root: Path) -> list[str]:
    """The services and their library, by package."""
    return sorted(path.parent.name for path in root.glob("services/*/pyproject.toml"))


def suites(root: Path) -> list[str]:
    """The boundary suites, by package."""
    folders = (path.parent.name for path in root.glob("integration/*/__init__.py"))
    return sorted(name for name in folders if name not in _SHARED)


def packages(root: Path) -> set[str]:
    """Every package of the repository that an import could name."""
    return {*services(root), *suites(root), _HARNESS, "contracts", "house"}


def rooms(root: Path) -> Iterator[Room]:
    """Every room of the repository that has Python code."""
    for name in services(root):
        yield Room(f"services/{name}", name, frozenset({LIBRARY} - {name}))
    yield Room("integration/harness", _HARNESS, frozenset())
    yield Room("integration/contracts", "contracts", frozenset({_HARNESS}))
    yield Room("integration/house", "house", frozenset({_HARNESS}))
    for name in suites(root):
        yield Room(f"integration/{name}", name, frozenset({_HARNESS, "contracts"}))
    for folder in ("benches", "docker", "fuzz/stateful", "load"):
        if (root / folder).is_dir():
            yield Room(folder, None, frozenset({_HARNESS, "contracts"}))
    if (root / "mutation").is_dir():
        yield Room("mutation", None, frozenset({_HARNESS}))
    yield Room("fuzz", None, frozenset(path.name.partition("_")[0] for path in fuzz_targets(root)))


def fuzz_targets(root: Path) -> list[Path]:
    """The modules of the fuzz targets: `fuzz/targets/<package>_<parser>.py`."""
    modules = (path for path in root.glob("fuzz/targets/*_*.py") if not path.name.endswith("_test.py"))
    return sorted(path for path in modules if not path.name.startswith("_"))


def forbidden(root: Path, room: Room) -> set[str]:
    """The packages that nothing in a room may import."""
    return packages(root) - room.known - {room.package}
