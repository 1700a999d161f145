"""Unified diffs, applied strictly: every line that a hunk shows must be there, in one place alone, or nothing is changed.

A hunk may have moved, since the code around it changes; it may not be doubtful. The format is that of `diff -u` and of git
(POSIX.1-2024, diff, "Diff -u Output Format"), for files that stay: none is created, removed or renamed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class PatchError(Exception):
    """A patch is malformed, or does not apply; the text names the file and the line."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place of a file: what it was and what it becomes, context included, each line with its end."""

    line: int
    """Where it was when the patch was made, counted from 1."""
    before: Sequence[str]
    after: Sequence[str]


Patch = Mapping[str, Sequence[Hunk]]
"""The hunks of each file, by its path below the folder that the patch is for."""


def parse(text: str) -> Patch:
    """The patch in a diff; what stands before the first file's header is passed over. Raises PatchError."""
    lines = text.splitlines(keepends=True)
    files: dict[str, list[Hunk]] = {}
    at = next((number for number, line in enumerate(lines) if line.startswith("--- ")), len(lines))
    if at == len(lines):
        raise PatchError("there is no diff in it (a line that begins with '--- a/')")
    while at < len(lines):
        path = _path(lines, at)
        if path in files:
            raise PatchError(f"{path}: comes twice (put its hunks under one header)")
        hunks: list[Hunk] = []
        at += 2
        while at < len(lines) and not lines[at].startswith("--- "):
            hunk, at = _hunk(path, lines, at)
            hunks.append(hunk)
        if not hunks:
            raise PatchError(f"{path}: has no hunk")
        files[path] = hunks
    return files


def _path(lines: Sequence[str], at: int) -> str:
    old = lines[at].removeprefix("--- ").rstrip("\n")
    new = lines[at + 1].rstrip("\n") if at + 1 < len(lines) else ""
    if not old.startswith("a/") or new != f"+++ b/{old[2:]}":
        raise PatchError(f"line {at + 1}: not '--- a/FILE' and '+++ b/FILE' of one file")
    return old[2:]


def _hunk(path: str, lines: Sequence[str], at: int) -> tuple[Hunk, int]:
    head = _RANGE.match(lines[at])
    if head is None:
        raise PatchError(f"{path}: line {at + 1} of the patch is no hunk's header ('@@ -1,7 +1,6 @@')")
    wanted = int(head[2] or 1), int(head[4] or 1)
    before: list[str] = []
    after: list[str] = []
    at += 1
    while (len(before), len(after)) != wanted:
        if at == len(lines) or lines[at][0] not in " -+":
            raise PatchError(
                f"{path}: the hunk of line {head[1]} does not have the lines that its header says"
            )
        if lines[at][0] != "+":
            before.append(lines[at][1:])
        if lines[at][0] != "-":
            after.append(lines[at][1:])
        at += 1
    if before == after:
        raise PatchError(f"{path}: the hunk of line {head[1]} changes nothing")
    return Hunk(int(head[1]), before, after), at


def apply(path: str, text: str, hunks: Sequence[Hunk]) -> str:
    """The text with every hunk applied. Raises PatchError for one that is found nowhere, or in several places."""
    lines = text.splitlines(keepends=True)
    done: list[str] = []
    begin = moved = 0
    for hunk in hunks:
        place = _place(path, lines, hunk, begin, moved)
        done += (*lines[begin:place], *hunk.after)
        begin, moved = place + len(hunk.before), place - (hunk.line - 1)
    return "".join((*done, *lines[begin:]))


def _place(path: str, lines: Sequence[str], hunk: Hunk, begin: int, moved: int) -> int:
    """Where a hunk goes: where it was, moved like the one before it; else the one place that has its lines."""
    expected = hunk.line - 1 + moved
    if expected >= begin and _fits(lines, hunk.before, expected):
        return expected
    found = list(_places(lines, hunk.before, begin))
    if len(found) != 1:
        where = "is not there any more" if not found else f"fits in {len(found)} places"
        raise PatchError(f"{path}: what the hunk of line {hunk.line} changes {where} (make the patch anew)")
    return found[0]


def _places(lines: Sequence[str], wanted: Sequence[str], begin: int) -> Iterator[int]:
    return (at for at in range(begin, len(lines) - len(wanted) + 1) if _fits(lines, wanted, at))


def _fits(lines: Sequence[str], wanted: Sequence[str], at: int) -> bool:
    return list(lines[at : at + len(wanted)]) == list(wanted)
