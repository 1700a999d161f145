"""The names of races: what one may be called, and when two names are the same."""

import unicodedata
from collections.abc import Sequence
from typing import Final

LEAST: Final = 2
MOST: Final = 64
MAX_LENGTH: Final = 64


class InvalidRacesError(ValueError):
    """A list of races that no game can be played with; the text says why."""


def fold(name: str) -> str:
    """What two spellings of one name have in common: Unicode NFKC, then case folding (UAX #15 and Unicode 3.13, D145)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def check(names: Sequence[str]) -> None:
    """Raises InvalidRacesError for a name that is no name, and for two that are the same."""
    seen: dict[str, str] = {}
    for name in names:
        # Controls, lone surrogates, private and unassigned code points cannot be told apart on a screen.
        if any(unicodedata.category(character).startswith("C") for character in name):
            raise InvalidRacesError(f"race {name!r} has a character that is not printable")
        if name != name.strip():
            raise InvalidRacesError(f"race {name!r} begins or ends with a space")
        folded = fold(name)
        if not folded.strip():
            raise InvalidRacesError(f"race {name!r} is blank")
        if folded in seen:
            raise InvalidRacesError(
                f"races {seen[folded]!r} and {name!r} are the same when case and width are ignored"
            )
        seen[folded] = name


def same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists name the same races, in any order."""
    return sorted(map(fold, one)) == sorted(map(fold, other))
