"""Which suites touch which service: suites.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = "suites.toml"
LIBRARY: Final = "servicekit"
"""In every service, and so in every suite."""


class SuitesError(Exception):
    """suites.toml is wrong; the text names the suite and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A folder of black-box tests."""

    name: str
    path: str
    """Relative to the root."""
    tier: str
    """The tier that it runs as: what its tests may require of the machine."""
    services: tuple[str, ...]

    def touches(self, service: str) -> bool:
        """Whether a bug of the service can show in it."""
        return service == LIBRARY or service in self.services


def load(file: Path, root: Path) -> list[Suite]:
    """The suites, in their order. Raises SuitesError."""
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))["suite"]
        suites = [
            Suite(name=name, path=table["path"], tier=table["tier"], services=tuple(table["services"]))
            for name, table in tables.items()
        ]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise SuitesError(f"{file}: not a table of suites with path, tier and services: {error!r}") from None
    for suite in suites:
        if not (root / suite.path).is_dir():
            raise SuitesError(
                f"{file}: suite {suite.name}: there is no folder {suite.path} (correct or remove it)"
            )
    return suites


def suite_of(suites: list[Suite], test: str) -> Suite | None:
    """The suite of a test, by its node id."""
    return next((suite for suite in suites if test.startswith(f"{suite.path}/")), None)
