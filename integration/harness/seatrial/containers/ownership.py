"""Whose a container, network, volume or image tag is: what a run writes on it, and whether that run still lives.

A run's id says all that another run must know to judge it: the machine, its boot, and the process that leads the run by pid
and start time. The workers of a run share its id; each of them marks with a second label what is its own.

    seatrial.run     <machine>-<boot>-<pid>-<start>     12 and 8 hexadecimal digits, and two numbers
    seatrial.worker  <pid>-<start>                      the process of the run that made it
    seatrial.scope   test | run                         whether it may outlive the test that made it

An image tag bears no label, so a run's own tags end in `-it-<run>-<worker>`.
"""

import hashlib
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal, Self

from seatrial.processes import proctree

RUN_LABEL: Final = "seatrial.run"
WORKER_LABEL: Final = "seatrial.worker"
SCOPE_LABEL: Final = "seatrial.scope"
_RUN: Final = re.compile(r"([0-9a-f]{12})-([0-9a-f]{8})-([1-9][0-9]{0,9})-(0|[1-9][0-9]{0,19})")
_WORKER: Final = re.compile(r"([1-9][0-9]{0,9})-(0|[1-9][0-9]{0,19})")
_TAG: Final = re.compile(rf".+-it-(?P<run>{_RUN.pattern})-(?P<worker>{_WORKER.pattern})")


@dataclass(frozen=True, slots=True)
class Maker:
    """A process, known by pid and start time (clock ticks since boot), so that another user of its pid is not taken for it."""

    pid: int
    started: int

    @classmethod
    def here(cls) -> Self:
        """This process."""
        its = proctree.info(os.getpid())
        return cls(os.getpid(), its.started if its is not None else 0)

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """The process that a label names; None for anything else."""
        match = _WORKER.fullmatch(text) if isinstance(text, str) else None
        return cls(int(match[1]), int(match[2])) if match else None

    def lives(self) -> bool:
        """Whether this very process is there; on this machine, in this boot."""
        its = proctree.info(self.pid)
        return its is not None and not its.zombie and its.started == self.started

    def __str__(self) -> str:
        return f"{self.pid}-{self.started}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run, known by its id."""

    machine: str
    boot: str
    leader: Maker

    @classmethod
    def here(cls) -> Self:
        """A run that this process leads."""
        return cls(machine(), boot(), Maker.here())

    @classmethod
    def parse(cls, text: object) -> Self | None:
        """The run that a label names; None for anything that is no run's id to the letter."""
        match = _RUN.fullmatch(text) if isinstance(text, str) else None
        return cls(match[1], match[2], Maker(int(match[3]), int(match[4]))) if match else None

    def dead(self, *, local_engine: bool) -> bool:
        """Whether it certainly was a run of this machine, and has certainly ended.

        One of an earlier boot is only known for certain where the engine is this machine's own: to a remote one, two
        machines that were cloned from one image look like two boots of the same.
        """
        if self.machine != machine():
            return False
        if self.boot != boot():
            return local_engine
        return not self.leader.lives()

    def __str__(self) -> str:
        return f"{self.machine}-{self.boot}-{self.leader}"


@cache
def machine() -> str:
    """This machine, and the part of it whose processes can be seen from here: another pid namespace is another machine."""
    parts = [socket.gethostname()]
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            parts.append(Path(path).read_text(encoding="ascii", errors="replace").strip())
            break
        except OSError:
            continue
    try:
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        parts.append("")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@cache
def boot() -> str:
    """This boot of the machine; where there is no way to tell, all boots are one, and pids alone decide."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        text = ""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Owner:
    """A process of a run, in whose name things are made."""

    run: Run
    worker: Maker

    def labels(self, scope: Literal["test", "run"] = "test") -> dict[str, str]:
        """What it writes on all that it makes; with scope "run" a thing may outlive the test that made it."""
        return {RUN_LABEL: str(self.run), WORKER_LABEL: str(self.worker), SCOPE_LABEL: scope}

    def tag(self, version: str) -> str:
        """The tag of an image for this process alone: `1.2.3` becomes `1.2.3-it-<run>-<worker>`, a pre-release of it."""
        return f"{version}-it-{self.run}-{self.worker}"

    @property
    def key(self) -> str:
        """A short text that no other process of any run has, for names."""
        return hashlib.sha256(f"{self.run} {self.worker}".encode()).hexdigest()[:8]


def run_of(labels: object) -> Run | None:
    """The run whose label a thing bears."""
    return Run.parse(labels.get(RUN_LABEL)) if isinstance(labels, Mapping) else None


def worker_of(labels: object) -> Maker | None:
    """The process whose label a thing bears."""
    return Maker.parse(labels.get(WORKER_LABEL)) if isinstance(labels, Mapping) else None


def owner_of_tag(reference: str) -> Owner | None:
    """Whose an image tag is, by its end; None for a tag that is nobody's."""
    match = _TAG.fullmatch(reference.rpartition(":")[2])
    run = Run.parse(match["run"]) if match else None
    worker = Maker.parse(match["worker"]) if match else None
    return Owner(run, worker) if run is not None and worker is not None else None


class _Here:
    """Which run this process belongs to; a worker is told, everybody else leads a run of its own."""

    run: Run | None = None
    asked = False


def run() -> Run:
    """The run that this process belongs to."""
    return _Here.run or Run.here()


def owner() -> Owner:
    """In whose name this process makes things; from then on, the leak audit looks for them."""
    _Here.asked = True
    return Owner(run(), Maker.here())


def in_use() -> bool:
    """Whether this process may have made, or may have let others make, anything in its name."""
    return _Here.asked


def join(run_id: str) -> None:
    """Make this process one of a run that another process leads."""
    _Here.run = Run.parse(run_id)
