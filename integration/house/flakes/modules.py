"""Test modules: which of them the gate is for, which files each is made of, and so which a change concerns."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

from seatrial.tier import Run, Tiers, Trigger

PLUGIN: Final = "seatrial.plugin"
_SUFFIX: Final = "_test.py"


@dataclass(frozen=True, slots=True)
class Module:
    """A test module, with the tier and run that it belongs to."""

    file: PurePosixPath
    """Relative to the root."""
    tier: str
    run: Run

    def __str__(self) -> str:
        return str(self.file)


def every(tiers: Tiers, files: Iterable[str]) -> list[Module]:
    """The test modules that run at each push, by pytest with the harness' plugin; `files` are all of the tree."""
    runs = [
        (tier.name, run)
        for tier in tiers.triggered_by(Trigger.PUSH)
        for run in tier.runs
        if PLUGIN in tiers.environments[run.environment].plugins
    ]
    found = []
    for file in sorted(PurePosixPath(name) for name in files if name.endswith(_SUFFIX)):
        owners = [Module(file, tier, run) for tier, run in runs if run.owns(file)]
        found += owners[:1]
    return found


def changed(root: Path, modules: Iterable[Module], times: Mapping[PurePosixPath, float]) -> list[Module]:
    """The modules of whose files one changed, the last changed first; `times` has the changed files."""
    when = {
        module: max(times[file] for file in files)
        for module in modules
        if (files := made_of(root, module.file) & times.keys())
    }
    return sorted(when, key=lambda module: (-when[module], module.file))


def made_of(root: Path, module: PurePosixPath) -> frozenset[PurePosixPath]:
    """The files of a module: itself, the conftest.py of its folder, and what these import from that folder."""
    folder = root / module.parent
    found: set[Path] = set()
    ahead = [root / module, folder / "conftest.py"]
    while ahead:
        file = ahead.pop()
        if file not in found and file.is_file():
            found.add(file)
            ahead += _imported_from(folder, file)
    return frozenset(PurePosixPath(file.relative_to(root)) for file in found)


def _imported_from(folder: Path, file: Path) -> Iterator[Path]:
    """The modules of a folder that a file imports, by whatever part of their full name."""
    for name in _imports(file):
        *package, last = name.split(".")
        if folder.parts[len(folder.parts) - len(package) :] == tuple(package):
            yield folder / f"{last}.py"


@cache
def _imports(file: Path) -> frozenset[str]:
    """Every full name that a file may import; none of one that does not parse: its run will say so."""
    try:
        tree = ast.parse(file.read_bytes(), file)
    except (SyntaxError, ValueError):
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)
