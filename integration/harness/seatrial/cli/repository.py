"""The repository that the command line is used in: its tiers, its reports, its topologies."""

import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module  # noqa: TID251  (a topology is named in pyproject.toml, by whoever wrote it)
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from seatrial import tier
from seatrial.errors import SeatrialError

if TYPE_CHECKING:
    from seatrial.environment import Environment

Topology: TypeAlias = Callable[["Environment"], object]


class UsageError(SeatrialError):
    """The command line was used where, or with what, it cannot work."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A directory with a tiers file, a pyproject.toml, or both."""

    root: Path

    @classmethod
    def here(cls) -> Self:
        """The one around the working directory; raises `UsageError` when there is none."""
        start = Path.cwd()
        file = tier.find(start)
        if file is not None:
            return cls(file.parent)
        for directory in (start, *start.parents):
            if (directory / "pyproject.toml").is_file():
                return cls(directory)
        raise UsageError(
            f"no {tier.FILE_NAME} and no pyproject.toml in {start} or above it: go into a repository"
        )

    @property
    def reports(self) -> Path:
        """Where runs leave their results."""
        return self.root / "reports"

    def tiers(self) -> tier.Tiers:
        """Its tiers; raises `UsageError` when it describes none, `TierError` when the description is wrong."""
        file = self.root / tier.FILE_NAME
        if not file.is_file():
            raise UsageError(f"{self.root} has no {tier.FILE_NAME}: describe its tiers there")
        return tier.load(file)

    def _settings(self) -> Mapping[str, Any]:
        file = self.root / "pyproject.toml"
        try:
            settings = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("seatrial", {})
        except OSError as error:
            raise UsageError(
                f"{file}: {error.strerror}; name topologies there, in [tool.seatrial.topologies]"
            ) from None
        except ValueError as error:
            raise UsageError(f"{file}: {error}; correct it") from None
        return settings if isinstance(settings, dict) else {}

    def topology(self, name: str) -> Topology:
        """The function that boots a suite, from `[tool.seatrial.topologies]`; raises `UsageError` when that cannot be."""
        settings = self._settings()
        known = settings.get("topologies", {})
        place = known.get(name)
        if place is None:
            names = (
                ", ".join(sorted(known)) or "none; name them in [tool.seatrial.topologies] of pyproject.toml"
            )
            raise UsageError(f"no topology {name!r}: known are {names}")
        module_name, _, function_name = str(place).partition(":")
        sys.path[:0] = [str(self.root / part) for part in settings.get("pythonpath", ["."])]
        try:
            module = import_module(module_name)
        except ImportError as error:
            raise UsageError(
                f"topology {name!r} is {place!r}: {error}; correct it, or [tool.seatrial] pythonpath, in pyproject.toml"
            ) from error
        function = getattr(module, function_name, None)
        if not callable(function):
            raise UsageError(
                f"topology {name!r} is {place!r}: {module_name} has no function {function_name!r}; correct it"
            )
        boot: Topology = function
        return boot
