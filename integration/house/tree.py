"""What no tracked file may contain: an address of a package registry, or a path of one machine.

`python -m house.tree` looks through the repository and names each place.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Written with a class of one letter each, so that these lines do not find themselves.
_RULES: Final = (
    (
        re.compile(
            r"pyth[o]nhosted|py[p]i\.(org|io)|np[m]js\.(org|com)|(deb|security|ftp)\.deb[i]an\.org|crat[e]s\.io"
        ),
        "names a package registry: a checkout must work with any index",
    ),
    (
        re.compile(
            r"(?<![\w.])/(hom[e]|Use[r]s)/\w+/|(?<![\w.])/roo[t]/[.\w]|(?<![\w.])/wor[k]/[.\w]|[A-Z]:\\Use[r]s\\"
        ),
        "is a path of one machine: say it relative to the repository or to $HOME",
    ),
)
_MADE_HERE: Final = frozenset(
    {
        ".git",
        ".nox",
        ".seatrial",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        "__pycache__",
        "reports",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in a file and what is wrong with it."""

    file: str
    line: int
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text!r} {self.reason}"


def files(root: Path) -> list[str]:
    """Every file that is tracked or could be, relative to the root; without git, all but what is made here."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
        )
        names = listed.stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = [str(path.relative_to(root)) for path in _walk(root)]
    return sorted(name for name in names if name and (root / name).is_file())


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.is_dir() and path.name not in _MADE_HERE:
            yield from _walk(path)


def findings(root: Path, names: list[str]) -> Iterator[Finding]:
    """Every offence in the named files; files that are not text are passed over."""
    for name in names:
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for pattern, reason in _RULES:
                if match := pattern.search(line):
                    yield Finding(name, number, match[0], reason)


def main() -> int:
    """Print every finding; 1 if there is one."""
    root = Path(__file__).parents[2]
    found = list(findings(root, files(root)))
    sys.stdout.writelines(f"{finding}\n" for finding in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
