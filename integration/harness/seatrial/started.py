"""Started: what an environment knows of a process beside the process itself: what it was told, where it listens, what it logs."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError

if TYPE_CHECKING:
    from seatrial.processes.logfile import LogFile, Mark, Record
    from seatrial.processes.process import Process


@dataclass(frozen=True, slots=True)
class LogPart:
    """What a log holds of a test: all of it, or what came after a mark."""

    log: "LogFile"
    since: "Mark | None" = None

    def text(self) -> str:
        """All of it."""
        return self.log.text(self.since)

    def records(self) -> "tuple[Record, ...]":
        """Every complete record."""
        return self.log.records(self.since)

    def tail(self, lines: int, besides: str = "") -> str:
        """Its last lines; what is in `besides`, some lines in one piece, does not count."""
        text = self.text()
        return "\n".join((text.replace(besides, "", 1) if besides else text).splitlines()[-lines:])


@dataclass(frozen=True, slots=True)
class Started:
    """A process and what it was told when it was started."""

    process: "Process"
    environment: Mapping[str, str]
    arguments: tuple[str, ...]

    @property
    def text(self) -> str:
        """Everything that may name another process's address."""
        return "\n".join([*self.environment.values(), *self.arguments])


def addresses(process: "Process") -> list[str]:
    """Where a process listens, `host:port` each, as far as that is known."""
    found = []
    for listener in process.service.listeners:
        with contextlib.suppress(SeatrialError):  # a child that never reported its port has no address
            found.append(str(process.address(listener.name)))
    return found
