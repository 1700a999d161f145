"""Which of pytest's arguments concern which run of a tier, and the command line that comes of them."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from seatrial.tier import Run

TEST_TIMEOUT_S: Final = 120
"""A test that takes longer hangs; it is ended with the stacks of all threads."""

_TAKES_A_WORD: Final = frozenset({"-k", "-m", "-n", "-o", "-p", "-r", "-W", "-c"})
"""Pytest's options whose next word is their value, even where a file of that name exists."""


def pytest_command(
    root: Path, run: Run, plugins: Sequence[str], python: Path, arguments: Sequence[str]
) -> list[str]:
    """The command line of a run, from the repository's root; paths among the arguments replace the run's own."""
    words = [
        str(python.relative_to(root) if python.is_relative_to(root) else python),
        "-m",
        "pytest",
        *(word for name in plugins for word in ("-p", name)),
    ]
    if "pytest_timeout" in plugins:
        words += [f"--timeout={TEST_TIMEOUT_S}"]
    if run.workers:
        words += ["-n", str(run.workers), "--dist", "worksteal", "--max-worker-restart", "0"]
    if run.markers:
        words += ["-m", run.markers]
    words += [f"--ignore={path}" for path in run.exclude]
    return [*words, *([] if paths_of(root, arguments) else run.paths), *arguments]


def paths_of(root: Path, arguments: Sequence[str]) -> list[str]:
    """Those of pytest's arguments that name files, folders or tests of the repository."""
    found = []
    for before, word in zip(["", *arguments], arguments, strict=False):
        is_value = before in _TAKES_A_WORD or word.startswith("-")
        if not is_value and (root / word.partition("::")[0]).exists():
            found.append(word)
    return found


def arguments_for(root: Path, run: Run, given: Sequence[str]) -> list[str] | None:
    """The arguments that concern a run: of paths, its own part; None when no path has anything of it."""
    paths = paths_of(root, given)
    own: list[str] = []
    for word in given:
        if word in paths:
            path, colons, test = word.partition("::")
            own += [part + colons + test for part in run.within(PurePosixPath(path))]
        else:
            own.append(word)
    return None if paths and not paths_of(root, own) else own
