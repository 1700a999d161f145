"""What a service is to the harness: a frozen description, from which any number of processes can be spawned."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Any, Final, Literal, Protocol, Self, runtime_checkable

from seatrial.errors import ServiceError
from seatrial.processes.listener import Listener
from seatrial.processes.logfile import DEFAULT_ALARMS
from seatrial.processes.readiness import Notify, Readiness
from seatrial.processes.warmboot import SUPPORTED, Mode, Preload

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")


class Binary(Protocol):
    """A program that can be started."""

    def command(self) -> Sequence[str]:
        """The program and its first arguments; builds and installs it first when that is needed."""


@runtime_checkable
class WarmBinary(Binary, Protocol):
    """A Python program that can also be forked from a process that has imported its modules."""

    def preloaded(self) -> Preload:
        """What that process is made of; builds and installs the program first when that is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A program and all that the harness must know to run it.

    Times are seconds. A child sees a small, fixed part of the runner's environment (search path, home, user, locale,
    time zone, temporary directory, certificates), the variables named in `inherit`, then `environment`. `arguments`
    and the values of `environment` may contain `{listener.address}`, `{listener.host}` and `{listener.port}`.

    `observed` are variables for a process whose timeline is recorded, after `environment` and before those that the test
    gives: such as make it log its side of each request.

    `stop_signal` asks the service to end; after `stop_timeout` it gets `stack_dump_signal` (when it has one: a process
    that does not know SIGUSR1 dies of it) and then SIGKILL. `clean_exits` are the statuses with which a stopped service
    may end, in the convention of `subprocess.Popen.returncode`: an exit code, or minus the number of a signal.

    `log_format` is "json" (one object per line: ts, level, logger, event) or "plain". Lines that are no JSON object
    are unexpected when one of the patterns `log_alarms` is found in them.

    `boot` says how its processes come to be: "cold" executes the program; "warm" has it forked from a process that has
    imported its modules, on Linux, if the binary is one that can be (`PythonBinary`), which saves the time of the imports.
    """

    name: str
    binary: Binary
    arguments: Sequence[str] = ()
    listeners: Sequence[Listener] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    observed: Mapping[str, str] = field(default_factory=dict)
    inherit: Sequence[str] = ()
    readiness: Readiness = field(default_factory=Notify)
    boot_timeout: float = 30.0
    stop_timeout: float = 5.0
    stop_signal: Signals = SIGTERM
    stack_dump_signal: Signals | None = None
    clean_exits: Sequence[int] = (0,)
    log_format: Literal["json", "plain"] = "json"
    log_alarms: Sequence[str] = DEFAULT_ALARMS
    working_directory: Path | None = None
    boot: Mode = "cold"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ServiceError(f"service {self.name!r}: a name is a letter, then letters, digits and _.-")
        if self.boot == "warm":
            self.boot_mode()
        names = [listener.name for listener in self.listeners]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise ServiceError(
                f"service {self.name}: two listeners are called {name!r}; give each its own name"
            )
        for pattern in self.log_alarms:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ServiceError(
                    f"service {self.name}: log_alarms has {pattern!r}, no pattern: {error}"
                ) from None
        try:
            self.readiness.check(tuple(self.listeners))
        except ServiceError as error:
            raise ServiceError(f"service {self.name}: {error}") from None

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return replace(self, **changes)

    def boot_mode(self, wanted: Mode | None = None) -> Mode:
        """How a process boots that is `wanted` to boot so, by default as the service says; cold where there is no warm boot.

        Raises `ServiceError` when the binary can only boot cold.
        """
        mode = wanted or self.boot
        if mode not in ("cold", "warm"):
            raise ServiceError(f"service {self.name}: boot is {mode!r}; it is cold or warm")
        if mode == "warm":
            self._warm_binary()
        return mode if SUPPORTED else "cold"

    def preloaded(self) -> Preload:
        """What its warm boots are forked from; raises `ServiceError` when the binary can only boot cold."""
        return self._warm_binary().preloaded()

    def _warm_binary(self) -> WarmBinary:
        if isinstance(self.binary, WarmBinary):
            return self.binary
        raise ServiceError(
            f"service {self.name} cannot boot warm: {self.binary!r} is no Python program whose modules the harness knows;"
            " make it a PythonBinary, or boot it cold"
        )

    def listener(self, name: str) -> Listener:
        """The listener of that name; raises `ServiceError` when there is none."""
        for listener in self.listeners:
            if listener.name == name:
                return listener
        known = ", ".join(listener.name for listener in self.listeners) or "none"
        raise ServiceError(f"service {self.name} has no listener {name!r} (it has: {known})")
