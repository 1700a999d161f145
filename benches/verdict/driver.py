"""The driver of one version: `python -m verdict.driver`, with `SEATRIAL_SERVICES` naming the version's tree.

It answers questions on its standard input, one at a time (see `verdict.protocol`), and holds what it has booted meanwhile. At
the end of its input, or when it is interrupted, it takes everything down. What it prints goes to standard error.
"""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from contracts.binaries import service_binary
from seatrial import SeatrialError
from seatrial.builds.progress import progress
from seatrial.processes.supervisor import Supervisor
from verdict import protocol
from verdict.boot_rig import BootRig
from verdict.catalog import DOCKER, SERVICES
from verdict.platform_rig import PlatformRig
from verdict.rig import Rig
from verdict.runtime_rig import RuntimeRig

_RIGS: Final[Mapping[str, Callable[[Path], Rig]]] = {
    "boots": BootRig,
    "platform": PlatformRig,
    "runtime": RuntimeRig,
}


class Driver:
    """What is booted of a version, and the verbs of the protocol."""

    def __init__(self, artifacts: Path) -> None:
        self._artifacts = artifacts
        self._rig: Rig | None = None
        self._count = 0

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a question; whatever goes wrong is the answer then."""
        verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "build": self.build,
            "open": self.open,
            "prepare": self.prepare,
            "sample": self.sample,
            "finish": self.finish,
            "close": self.close,
        }
        try:
            arguments = {name: value for name, value in question.items() if name != "ask"}
            return {"ok": True, **verbs[question["ask"]](**arguments)}
        except Exception as error:  # noqa: BLE001 - the coordinator decides what becomes of the comparison
            traceback.print_exc()
            return {"error": _words(error)}

    def build(self, capabilities: list[str]) -> dict[str, Any]:
        """Every binary of the version, and the engine's image where there is a container engine; each once per content."""
        for name in SERVICES:
            service_binary(name).command()
        if DOCKER in capabilities:
            from contracts.images import engine_image

            engine_image().reference()
        return {}

    def open(self, rig: str) -> dict[str, Any]:
        """Boot a rig."""
        self._count += 1
        made = _RIGS[rig](self._artifacts / f"{self._count:03}-{rig}")
        made.open()
        self._rig = made
        return {}

    def prepare(self, metric: str, warm_up: int) -> dict[str, Any]:
        """Make ready for samples."""
        self._booted.prepare(metric, warm_up)
        return {}

    def sample(self, metric: str, count: int) -> dict[str, Any]:
        """Take samples."""
        return {"readings": [each.plain() for each in self._booted.sample(metric, count)]}

    def finish(self, metric: str) -> dict[str, Any]:
        """No more samples of a metric."""
        self._booted.finish(metric)
        return {}

    def close(self) -> dict[str, Any]:
        """Take the rig down, if one is there."""
        rig, self._rig = self._rig, None
        if rig is not None:
            rig.close()
        return {}

    @property
    def _booted(self) -> Rig:
        if self._rig is None:
            raise SeatrialError("no rig is open")
        return self._rig


def _words(error: BaseException) -> str:
    """An error in one text, with those that it is a group of."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join([error.message, *map(_words, error.exceptions)])
    return f"{type(error).__name__}: {error}"


def serve(questions: IO[bytes], answers: IO[bytes], artifacts: Path) -> None:
    """Answer until there are no more questions; then take everything down."""

    def say(message: Mapping[str, Any]) -> None:
        answers.write(protocol.encode(message))
        answers.flush()

    progress.report = lambda line: say({"progress": line})
    driver = Driver(artifacts)
    try:
        for line in questions:
            say(driver.answer(protocol.decode(line)))
    finally:
        driver.close()
        Supervisor.close_current()


def main() -> int:
    """The program: nothing but answers may get into the pipe, so what is printed by anybody goes to standard error."""
    (artifacts,) = sys.argv[1:]
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        try:
            serve(sys.stdin.buffer, answers, Path(artifacts))
        except (KeyboardInterrupt, BrokenPipeError):
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
