"""LogPump: what a container writes, carried into a file as it is written."""

import threading
from pathlib import Path

from seatrial.containers.engine import Engine
from seatrial.containers.streams import Output


class LogPump:
    """Attached to a container before it starts, so that no line is lost, whatever log driver the engine has."""

    def __init__(self, engine: Engine, container: str, path: Path) -> None:
        self._stream = Output(engine.place, f"/containers/{container}/attach?stream=1&stdout=1&stderr=1")
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._carry, name="seatrial-container-log", daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        # An engine that is lost ends the log; that it is lost is told by the stream of its events.
        with self._path.open("ab", buffering=0) as file, self._stream as stream:
            for piece in stream:
                file.write(piece)

    def wait(self, seconds: float) -> None:
        """Let it carry the last words of a container that has ended."""
        self._thread.join(seconds)

    def close(self) -> None:
        """End it; what was not written by now is lost. Idempotent."""
        if self._thread.is_alive():
            self._stream.close()
            self._thread.join()
