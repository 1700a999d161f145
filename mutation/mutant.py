"""Mutants: contract bugs, each a file `mutants/<service>/<name>.patch`: a TOML header and a unified diff against `services/`."""

import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import patch
from patch import Patch, PatchError

SUFFIX: Final = ".patch"
_KEYS: Final = ("breaks", "promise", "boundary")


class MutantError(Exception):
    """A mutant's file is wrong, or none has the name that was asked for; the text says which, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One contract bug."""

    service: str
    name: str
    breaks: str
    """What goes wrong with it, in one sentence."""
    promise: str
    """What the specification promises instead."""
    boundary: str
    """The suite that the promise belongs to, relative to the root: where a test is missing if this survives."""
    patch: Patch

    @property
    def id(self) -> str:
        """`<service>/<name>`."""
        return f"{self.service}/{self.name}"

    def __str__(self) -> str:
        return self.id


def load(path: Path) -> Mutant:
    """The mutant in a file. Raises MutantError."""
    service, name = path.parent.name, path.stem
    text = path.read_text(encoding="utf-8")
    header, _, _ = f"\n{text}".partition("\n--- a/")
    try:
        fields = tomllib.loads(header)
        read = patch.parse(text)
    except tomllib.TOMLDecodeError as error:
        raise MutantError(f"{path}: the header is not TOML: {error}") from None
    except PatchError as error:
        raise MutantError(f"{path}: {error}") from None
    if sorted(fields) != sorted(_KEYS) or not all(
        isinstance(each, str) and each.strip() for each in fields.values()
    ):
        raise MutantError(f"{path}: the header must give {', '.join(_KEYS)}, each a text, and nothing else")
    for file in read:
        parts = PurePosixPath(file).parts
        # The published contracts are what suites hold a service to: a mutant that changed them would bend the ruler.
        if parts[0] != service or "api" in parts or not _is_shipped(file):
            raise MutantError(
                f"{path}: {file} is no source of {service} that is shipped (break the service itself)"
            )
    return Mutant(service=service, name=name, patch=read, **fields)


def _is_shipped(file: str) -> bool:
    name = PurePosixPath(file).name
    return not name.endswith("_test.py") and name != "conftest.py"


def load_all(folder: Path) -> list[Mutant]:
    """Every mutant below a folder, by service and name. Raises MutantError."""
    return [load(path) for path in sorted(folder.glob(f"*/*{SUFFIX}"))]


def chosen(mutants: Sequence[Mutant], words: Sequence[str], services: Sequence[str]) -> list[Mutant]:
    """Those whose name or `<service>/<name>` fits one of the words, which may be globs, and whose service is one of these.

    No words and no services mean all. Raises MutantError for a word or a service that fits none.
    """
    for word in words:
        if not any(_fits(mutant, word) for mutant in mutants):
            raise MutantError(f"no mutant is called {word!r} (--list shows them all)")
    known = sorted({mutant.service for mutant in mutants})
    for service in services:
        if service not in known:
            raise MutantError(f"no mutant is of a service {service!r} (there are some of {', '.join(known)})")
    return [
        mutant
        for mutant in mutants
        if (not words or any(_fits(mutant, word) for word in words))
        and (not services or mutant.service in services)
    ]


def _fits(mutant: Mutant, word: str) -> bool:
    return fnmatch.fnmatchcase(mutant.name, word) or fnmatch.fnmatchcase(mutant.id, word)
