"""ContainerSpec: what a container is to the harness, a frozen description, as `Service` is of a process."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from seatrial.containers.wire import EngineError
from seatrial.processes.logfile import DEFAULT_ALARMS

if TYPE_CHECKING:
    from seatrial.containers.image import ContainerImage
    from seatrial.containers.network import Network
    from seatrial.containers.volume import Volume
    from seatrial.processes.readiness import LogLine

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_SIZE: Final = re.compile(r"(\d+)([bkmg]?)")
_UNITS: Final = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck:
    """A command in the container that exits with 0 when it can serve, asked every `interval` seconds by the engine.

    After `retries` failures in a row the container is unhealthy. Replaces the image's own.
    """

    command: Sequence[str]
    interval: float = 0.1
    timeout: float = 5.0
    retries: int = 50


class ContainerOptions(TypedDict, total=False):
    """The fields of `ContainerSpec` besides its image, for `Environment.container`."""

    name: str
    command: Sequence[str]
    entrypoint: Sequence[str]
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    network: "Network | None"
    ports: Sequence[int]
    mounts: Mapping[str, "Volume | Path"]
    read_only_mounts: Mapping[str, "Volume | Path"]
    tmpfs: Sequence[str]
    memory: int | str | None
    cpus: float | None
    pids: int | None
    user: str | None
    working_directory: str | None
    init: bool
    healthcheck: Healthcheck | None
    readiness: "LogLine | None"
    boot_timeout: float
    stop_signal: Signals
    stop_timeout: float
    clean_exits: Sequence[int]
    log_format: Literal["json", "plain"]
    log_alarms: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """A container and all that the harness must know to run it.

    `image` is a reference, which must be there already, or a `ContainerImage`. In a `network` the container is known to others
    by its `name`; without one it is in the engine's default network. `ports` can be reached from the test, see
    `Container.address`. `mounts` maps paths in the container to volumes, or to paths on the engine's machine. `memory` is in
    bytes, or "64m"; swap is not given. `cpus` is a number of cores, `pids` the most processes it may have.

    It is ready when a line matches `readiness`, else when it is healthy, if it or its image has a health check, else when it
    runs. Times are seconds. A stop is `stop_signal`, and after `stop_timeout` a kill; `clean_exits` are the exit codes that a
    stopped container may have. `init` puts a small init process before the program, which forwards signals and reaps.

    `log_format` is "json" (one object per line: ts, level, logger, event) or "plain"; see `Service`.
    """

    image: "str | ContainerImage"
    name: str = ""
    command: Sequence[str] = ()
    entrypoint: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    network: "Network | None" = None
    ports: Sequence[int] = ()
    mounts: Mapping[str, "Volume | Path"] = field(default_factory=dict)
    read_only_mounts: Mapping[str, "Volume | Path"] = field(default_factory=dict)
    tmpfs: Sequence[str] = ()
    memory: int | str | None = None
    cpus: float | None = None
    pids: int | None = None
    user: str | None = None
    working_directory: str | None = None
    init: bool = False
    healthcheck: Healthcheck | None = None
    readiness: "LogLine | None" = None
    boot_timeout: float = 30.0
    stop_signal: Signals = SIGTERM
    stop_timeout: float = 5.0
    clean_exits: Sequence[int] = (0,)
    log_format: Literal["json", "plain"] = "json"
    log_alarms: Sequence[str] = DEFAULT_ALARMS

    def __post_init__(self) -> None:
        if self.name and not _NAME.fullmatch(self.name):
            raise EngineError(
                f"container {self.name!r}: a name has at most 41 lower case letters, digits and hyphens; rename it"
            )
        if self.memory is not None:
            size_in_bytes(self.memory)

    @property
    def reference(self) -> str:
        """The image's reference; builds it first when that is needed."""
        return self.image if isinstance(self.image, str) else self.image.reference()

    @property
    def base_name(self) -> str:
        """What the container is called when it has no name: the last word of the image's."""
        if self.name:
            return self.name
        reference = self.image if isinstance(self.image, str) else self.image.name
        last = reference.rpartition("/")[2].partition("@")[0].partition(":")[0]
        return re.sub(r"[^a-z0-9-]", "-", last)[:41].strip("-") or "container"

    def limits(self) -> dict[str, Any]:
        """What it may use, in the terms of the SDK's host configuration."""
        found: dict[str, Any] = {}
        if self.memory is not None:
            found["mem_limit"] = found["memswap_limit"] = size_in_bytes(self.memory)
        if self.cpus is not None:
            found["nano_cpus"] = int(self.cpus * 1e9)
        if self.pids is not None:
            found["pids_limit"] = self.pids
        return found

    def mounted(self) -> Iterator[tuple[str, str, Literal["volume", "bind"], bool]]:
        """Its mounts: where, what, of which type, and whether it can only be read."""
        for mounts, read_only in ((self.mounts, False), (self.read_only_mounts, True)):
            for target, source in mounts.items():
                if isinstance(source, Path):
                    yield target, str(source.absolute()), "bind", read_only
                else:
                    yield target, source.name, "volume", read_only


def size_in_bytes(size: int | str) -> int:
    """`64m` as bytes; raises `EngineError` for what is no size."""
    if isinstance(size, int):
        return size
    match = _SIZE.fullmatch(size.lower())
    if match is None:
        raise EngineError(f"{size!r} is no size of memory: write a number of bytes, or one with k, m or g")
    return int(match[1]) * _UNITS[match[2]]
