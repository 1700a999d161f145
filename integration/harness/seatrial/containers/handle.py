"""ContainerHandle: any container by its id, whoever made it: what can be known of it and done to it."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from signal import SIGKILL, Signals
from typing import Any

from seatrial.containers.engine import Engine, EngineError, NotThere
from seatrial.containers.streams import Output
from seatrial.errors import SeatrialError, shortened


class ExecFailed(SeatrialError):
    """A command in a container ended with another exit code than 0."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command in a container came to; `output` is its stdout and stderr."""

    code: int
    output: str


class ContainerHandle:
    """A container. Each method asks the engine; all raise `NotThere` when it has been removed."""

    def __init__(self, engine: Engine, id: str, name: str) -> None:
        self.id = id
        self.name = name
        self._engine = engine

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.id[:12]}>"

    def inspect(self) -> dict[str, Any]:
        """All that the engine knows of it."""
        found: dict[str, Any] = self._engine.wire.ask("GET", f"/containers/{self.id}/json").json()
        return found

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return dict(self.inspect()["Config"]["Labels"] or {})

    @property
    def status(self) -> str:
        """`created`, `running`, `paused`, `exited` or `dead`, as the engine says, or `removed`."""
        try:
            return str(self.inspect()["State"]["Status"])
        except NotThere:
            return "removed"

    @property
    def ip(self) -> str:
        """Its address in its network (the first one), reachable from this machine when the engine is local."""
        its = self.inspect()
        networks = its["NetworkSettings"]["Networks"]
        for network in networks.values():
            if network["IPAddress"]:
                return str(network["IPAddress"])
        raise EngineError(
            f"{self.name} has no address: it is {its['State']['Status']}, in {', '.join(networks) or 'no network'}"
        )

    def output(self) -> str:
        """What it has written to stdout and stderr, as the engine kept it."""
        with self._engine.translated(f"reading the log of {self.name}"):
            return self._engine.api.logs(self.id, stdout=True, stderr=True).decode("utf-8", "replace")

    def send_signal(self, number: Signals) -> None:
        """Send a signal to its first process."""
        with self._engine.translated(f"sending {number.name} to {self.name}"):
            self._engine.api.kill(self.id, number.value)

    def kill(self) -> object:
        """SIGKILL it, and return when it has ended: a crash, as its owner sees it."""
        self.send_signal(SIGKILL)
        with self._engine.translated(f"waiting for the end of {self.name}"):
            return self._engine.api.wait(self.id)

    def exec(self, *command: str, user: str = "", check: bool = True) -> ExecResult:
        """Run a command in it; raises `ExecFailed` for another exit code than 0, unless `check` is false."""
        with self._engine.translated(f"running {command[0]} in {self.name}"):
            made = self._engine.api.exec_create(self.id, list(command), user=user)["Id"]
        with Output(self._engine.place, f"/exec/{made}/start", {"Detach": False, "Tty": False}) as stream:
            output = b"".join(stream).decode("utf-8", "replace")
        code = int(self._engine.wire.ask("GET", f"/exec/{made}/json").json()["ExitCode"])
        if check and code:
            said = shortened(output.strip(), 2000)
            raise ExecFailed(f"{' '.join(command)} in {self.name} ended with {code}: {said}")
        return ExecResult(code, output)

    def remove(self) -> None:
        """Remove it with its anonymous volumes, running or not. Idempotent."""
        with contextlib.suppress(NotThere), self._engine.translated(f"removing {self.name}"):
            self._engine.api.remove_container(self.id, v=True, force=True)
