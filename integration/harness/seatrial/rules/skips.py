"""Skips are typed: a test names the capability that it requires, and nothing else may skip it.

Whatever else pytest or unittest offer to make a test vanish is found in the source of its module,
in its marks, and, should it come from elsewhere, when it happens; each is an error with a remedy.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from seatrial.rules.capability import Absence

REQUIRES: Final = "requires"
ABSENT: Final = pytest.StashKey[Absence]()
"""Set on the one kind of test that may skip: what it requires is absent, and not mandatory here."""
_REMEDY: Final = "require a capability with @pytest.mark.requires(...), fix the test, or delete it"

_FORBIDDEN_CALLS: Final = {
    "pytest.skip": "pytest.skip()",
    "pytest.xfail": "pytest.xfail()",
    "pytest.importorskip": "pytest.importorskip()",
    "pytest.mark.skip": "@pytest.mark.skip",
    "pytest.mark.skipif": "@pytest.mark.skipif",
    "unittest.skip": "unittest.skip",
    "unittest.skipIf": "unittest.skipIf",
    "unittest.skipUnless": "unittest.skipUnless",
    "unittest.SkipTest": "unittest.SkipTest",
    "unittest.case.SkipTest": "unittest.SkipTest",
}
_REMEDIES: Final = {
    "pytest.xfail": "use @pytest.mark.xfail(strict=True, reason=...), or quarantine the test",
    "pytest.importorskip": "a test's dependencies belong into its environment's lock: import it",
}
_ROOTS: Final = ("pytest", "unittest", "unittest.case")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule of the house that a test breaks."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({self.remedy})"


def in_source(source: str, filename: str) -> list[Violation]:
    """Bare skips in a module's text; nothing for one that does not parse (its import will fail)."""
    if "skip" not in source.lower() and "xfail" not in source:
        return []
    try:
        tree = ast.parse(source, filename)
    except SyntaxError:
        return []
    names = _imported(tree)
    found: dict[tuple[int, str], Violation] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute | ast.Name):
            continue
        dotted = _dotted(node, names)
        if dotted in _FORBIDDEN_CALLS:
            found[node.lineno, dotted] = Violation(
                f"{filename}:{node.lineno}",
                f"bare {_FORBIDDEN_CALLS[dotted]}",
                _REMEDIES.get(dotted, _REMEDY),
            )
    return [found[key] for key in sorted(found)]


def on_item(item: pytest.Item) -> Iterator[Violation]:
    """Bare skips and lenient xfails among a test's marks."""
    for mark in item.iter_markers():
        if mark.name in ("skip", "skipif"):
            yield _skip_mark(item, mark)
        elif mark.name == "xfail":
            yield from _lenient_xfail(item, mark)
    owner = getattr(item, "cls", None)
    if any(getattr(thing, "__unittest_skip__", False) for thing in (getattr(item, "obj", None), owner)):
        yield Violation(item.nodeid, "bare unittest.skip", _REMEDY)


def _skip_mark(item: pytest.Item, mark: pytest.Mark) -> Violation:
    reason = str(mark.kwargs.get("reason", ""))
    if reason.startswith("got empty parameter set"):
        return Violation(item.nodeid, "its set of parameters is empty", "a test that never runs: give it one")
    return Violation(item.nodeid, f"bare @pytest.mark.{mark.name}", _REMEDY)


def _lenient_xfail(item: pytest.Item, mark: pytest.Mark) -> Iterator[Violation]:
    if mark.kwargs.get("strict", item.config.getini("xfail_strict")) is not True:
        yield Violation(item.nodeid, "xfail that is not strict", "add strict=True")
    if not str(mark.kwargs.get("reason", "")).strip():
        yield Violation(item.nodeid, "xfail without a reason", 'add reason="..."')
    if mark.kwargs.get("run", True) is not True:
        yield Violation(item.nodeid, "xfail that does not run", "remove run=False, or delete the test")


def bare_skip_message(reason: str) -> str:
    """What is said of a test that skipped itself while it ran."""
    return f"bare skip: {reason or 'no reason given'} ({_REMEDY})"


def _imported(tree: ast.Module) -> dict[str, str]:
    """Local names of what a module imports from the test libraries, with their full names."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in _ROOTS:
                    bound = alias.asname or alias.name.partition(".")[0]
                    names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom) and node.module in _ROOTS:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str | None:
    """The full name of an expression like `pytest.mark.skip`; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return None
    return ".".join([names[node.id], *reversed(parts)])
