"""A service's configuration, tried with good variables and changes to them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from servicekit.app import Service
from servicekit.config import ConfigError, ServiceConfig, load, usage

C = TypeVar("C", bound=ServiceConfig)


@dataclass(frozen=True)
class Settings(Generic[C]):
    """``good`` are variables that are enough, by their whole names; changes are named without the prefix."""

    config: type[C]
    prefix: str
    good: Mapping[str, str]

    def load(self, **changes: str) -> C:
        """Give the configuration. Raises ConfigError."""
        named = {f"{self.prefix}_{name}": value for name, value in changes.items()}
        return load(self.config, self.prefix, {**self.good, **named})

    def problems(self, **changes: str) -> list[str]:
        """Give what is wrong with the configuration. Raises AssertionError if nothing is."""
        return self._refused(
            {**self.good, **{f"{self.prefix}_{name}": value for name, value in changes.items()}}
        )

    def missing(self) -> list[str]:
        """Give the names of the variables that are asked for when there is none at all."""
        return [problem.partition(":")[0] for problem in self._refused({})]

    def _refused(self, environment: Mapping[str, str]) -> list[str]:
        try:
            load(self.config, self.prefix, environment)
        except ConfigError as refused:
            return refused.problems
        raise AssertionError("nothing is wrong with the configuration")


def check_readme(readme: Path, service: Service[Any]) -> None:
    """Check that a README's table has every variable with its default, and no other: ``| `NAME` | `default` | ...``.

    Raises AssertionError with the rows that are missing or wrong.
    """
    expected = {
        name: re.sub(r"^default (.*)$", r"`\1`", state)
        for name, state, _ in usage(service.config, service.prefix)
    }
    for listener in service.listeners:
        expected[f"{service.prefix}_{listener.name.upper()}_ADDR"] = f"`{listener.default}`"
    table = re.findall(
        r"^\| `([A-Z][A-Z0-9_]*)` \| (.*?) \|", readme.read_text(encoding="utf-8"), re.MULTILINE
    )
    rows = {name: state for name, state in table if name in expected or name.startswith(f"{service.prefix}_")}
    if rows != expected:
        wrong = sorted(set(expected.items()) ^ set(rows.items()))
        raise AssertionError(f"{readme} does not list the variables as they are: {wrong}")
