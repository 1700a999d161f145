"""Volume: a place for a container's files that outlives the container, but not the test."""

import contextlib

from seatrial.containers.engine import Engine, NotThere


class Volume:
    """A volume of one test."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._engine = engine
        with engine.translated(f"making the volume {name}"):
            engine.api.create_volume(name, labels=engine.owner.labels())

    def __repr__(self) -> str:
        return f"<Volume {self.name}>"

    def remove(self) -> None:
        """Remove it; raises `EngineError` while a container uses it. Idempotent."""
        with contextlib.suppress(NotThere), self._engine.translated(f"removing the volume {self.name}"):
            self._engine.api.remove_volume(self.name)
