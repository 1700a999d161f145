"""A folder with fuzz targets and their corpora."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module  # noqa: TID251  (the folder says which targets there are)
from pathlib import Path
from typing import Final

Check = Callable[[bytes], bool]
"""Whether the parser accepts an input; it raises AssertionError, or what the parser must not raise, when a promise is broken."""

GOOD: Final = "good"
BAD: Final = "bad"
CRASH: Final = "crash"
VERDICTS: Final = (GOOD, BAD, CRASH)
"""What the name of an input begins with: accepted, rejected, or either of the two but without a crash."""


class UnknownTarget(Exception):
    """There is no such target; names those that there are."""


@dataclass(frozen=True, slots=True)
class Room:
    """`folder/targets/<package>_<parser>.py` has `check(data)`, `folder/corpus/<package>_<parser>/` the inputs, one a file."""

    folder: Path

    def targets(self) -> list[str]:
        """The targets by name: modules with an underscore that are no tests."""
        names = (path.stem for path in (self.folder / "targets").glob("*_*.py"))
        return sorted(name for name in names if not name.startswith("_") and not name.endswith("_test"))

    def chosen(self, names: list[str]) -> list[str]:
        """The targets of these names, all of them when none is named. Raises UnknownTarget."""
        known = self.targets()
        unknown = [name for name in names if name not in known]
        if unknown or not known:
            raise UnknownTarget(
                f"no target {', '.join(unknown) or 'at all'} in {self.folder / 'targets'}"
                f" (there are: {', '.join(known) or 'none; write targets/<package>_<parser>.py'})"
            )
        return list(dict.fromkeys(names)) or known

    def corpus(self, target: str) -> Path:
        """The folder of a target's inputs; it need not exist."""
        return self.folder / "corpus" / target

    def inputs(self, target: str) -> list[Path]:
        """A target's inputs, by name."""
        folder = self.corpus(target)
        return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def package(target: str) -> str:
    """The package whose parser a target fuzzes."""
    return target.partition("_")[0]


def load(target: str) -> Check:
    """A target's check, from the first folder of the path that has it."""
    # The folder says which targets there are; a test of the house holds each of them to the package in its name.
    module = import_module(f"targets.{target}")
    check: Check = module.check
    return check


def main() -> int:
    """`python -m runner.room TARGET FILE...`: the verdict on each input, one a line."""
    name, *files = sys.argv[1:]
    check = load(name)
    for file in files:
        sys.stdout.write(f"{GOOD if check(Path(file).read_bytes()) else BAD}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
