"""Network: where the containers of a test reach each other by name, and can be cut off."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seatrial.containers.engine import Engine, NotThere
from seatrial.timeline.faults import fault

if TYPE_CHECKING:
    from seatrial.containers.container import Container


class Network:
    """A bridge network of one test; an `internal` one has no way out."""

    def __init__(self, engine: Engine, name: str, *, internal: bool = False) -> None:
        self.name = name
        self._engine = engine
        with engine.translated(f"making the network {name}"):
            made = engine.api.create_network(
                name, driver="bridge", internal=internal, check_duplicate=True, labels=engine.owner.labels()
            )
        self.id = str(made["Id"])

    def __repr__(self) -> str:
        return f"<Network {self.name}>"

    def connect(self, container: "Container") -> None:
        """Let a container in, under its name."""
        with self._engine.translated(f"connecting {container.name} to {self.name}"):
            self._engine.api.connect_container_to_network(container.id, self.id, aliases=[container.name])

    def disconnect(self, container: "Container") -> None:
        """Cut a container off, at once; its open connections get no answer any more."""
        with self._engine.translated(f"disconnecting {container.name} from {self.name}"):
            self._engine.api.disconnect_container_from_network(container.id, self.id, force=True)

    @contextlib.contextmanager
    def disconnected(self, container: "Container") -> Iterator[None]:
        """Cut a container off for a while. It may come back with another address, but under the same name."""
        with fault(container.name, "disconnected", self.name):
            self.disconnect(container)
            try:
                yield
            finally:
                self.connect(container)

    def remove(self) -> None:
        """Remove it; raises `EngineError` while a container is in it. Idempotent."""
        with contextlib.suppress(NotThere), self._engine.translated(f"removing the network {self.name}"):
            self._engine.api.remove_network(self.id)
