"""Home: where the logs of an environment are left."""

from pathlib import Path
from typing import Protocol


class Home(Protocol):
    """Where an environment leaves its logs; asked for only when there is something to leave."""

    @property
    def path(self) -> Path:
        """An existing directory."""


class Folder:
    """A home that is a plain directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """The directory; made when it is missing."""
        self._path.mkdir(parents=True, exist_ok=True)
        return self._path
