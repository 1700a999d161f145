"""The leak audit: what a test must not leave behind, looked at before and after it."""

import contextlib
import os
import shutil
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from signal import SIGKILL
from typing import Any, Final, Protocol

from seatrial.errors import ProcessDied, WaitTimeout
from seatrial.processes import proctree
from seatrial.processes.supervisor import MARKER, Supervisor
from seatrial.waiting import until

_GRACE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that was left: its kind, what it is, and what to do about it."""

    kind: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}; {self.remedy}"


class Auditor(Protocol):
    """Knows one kind of thing that can be left behind."""

    def snapshot(self) -> Any:
        """What there is now."""

    def leaks(self, before: Any) -> Sequence[Leak]:
        """What there is more than `before`. It is called again while something is found, for a quarter of a second."""

    def clean(self, before: Any) -> None:
        """Remove what `leaks` found, so that the next test does not suffer from it."""


class ProcessAuditor:
    """Descendants of the runner, and processes anywhere that carry the run's marker."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def snapshot(self) -> tuple[set[int], set[int]]:
        """The pids of all descendants, and of all processes; without those that may outlive a test.

        A process that was forked to be a test's is one of them until that test gets it.
        """
        self._supervisor.settle()
        own = self._supervisor.own_processes()
        return {each.pid for each in proctree.descendants(os.getpid(), besides=own)}, proctree.pids() - own

    def _left(self, before: tuple[set[int], set[int]]) -> Iterator[proctree.ProcessInfo]:
        descendants, everybody = before
        own = self._supervisor.own_processes()
        seen = set()
        for each in proctree.descendants(os.getpid(), besides=own):
            seen.add(each.pid)
            if each.pid not in descendants and not self._reaped(each):
                yield each
        # Whoever escaped from the tree still has the environment that it was started with.
        marker = f"{MARKER}={self._supervisor.run_id}"
        kept = {each.pid for pid in own for each in proctree.descendants(pid)} | own
        for pid in proctree.pids() - everybody - seen - kept:
            if proctree.carries(pid, marker) and (its := proctree.info(pid)) is not None and not its.zombie:
                yield its

    @staticmethod
    def _reaped(process: proctree.ProcessInfo) -> bool:
        """Reap an orphan that the runner adopted and that has ended.

        Nobody in the runner can have started it: then it would lead its session, or belong to the runner's.
        """
        if (
            not process.zombie
            or process.parent != os.getpid()
            or process.session in (process.pid, os.getsid(0))
        ):
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        return True

    def leaks(self, before: tuple[set[int], set[int]]) -> list[Leak]:
        """Each process that is new and still there."""
        self._supervisor.settle()
        return [
            Leak(
                "process",
                f"{each}, {'a zombie' if each.zombie else 'running'}",
                "stop it, or wait for its end",
            )
            for each in self._left(before)
        ]

    def clean(self, before: tuple[set[int], set[int]]) -> None:
        """Kill those that were started through the harness; a process that is none of ours is only reported."""
        marker = f"{MARKER}={self._supervisor.run_id}"
        for each in self._left(before):
            if not each.zombie and proctree.carries(each.pid, marker):
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(each.pid, SIGKILL)
                    if each.parent == os.getpid():
                        os.waitpid(each.pid, 0)


def _open_descriptors() -> Iterator[tuple[int, os.stat_result]]:
    for name in os.listdir("/dev/fd"):
        try:
            yield int(name), os.fstat(int(name))
        except OSError:
            continue  # the one that listed them


class SocketAuditor:
    """Listening sockets of the runner itself, like a fake server that nobody closed."""

    def snapshot(self) -> set[int]:
        """The inodes of all sockets of the runner."""
        return {its.st_ino for _, its in _open_descriptors() if stat.S_ISSOCK(its.st_mode)}

    def leaks(self, before: set[int]) -> list[Leak]:
        """Each socket that is new and listens."""
        found = []
        for descriptor, its in _open_descriptors():
            if not stat.S_ISSOCK(its.st_mode) or its.st_ino in before:
                continue
            try:
                with socket.socket(fileno=os.dup(descriptor)) as copy:
                    if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        found.append(Leak("listening socket", f"{copy.getsockname()}", "close its server"))
            except OSError:
                continue  # closed meanwhile
        return found

    def clean(self, before: set[int]) -> None:
        """Nothing: to close a descriptor under its owner would hit whoever gets the number next."""


class DirectoryAuditor:
    """Temporary directories that were made for a test."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._directory = supervisor.directory / "test"

    def _names(self) -> set[str]:
        try:
            return set(os.listdir(self._directory))
        except FileNotFoundError:
            return set()

    def snapshot(self) -> set[str]:
        """The names of those that are there."""
        return self._names()

    def leaks(self, before: set[str]) -> list[Leak]:
        """Each one that is new."""
        return [
            Leak("temporary directory", str(self._directory / name), "remove it")
            for name in sorted(self._names() - before)
        ]

    def clean(self, before: set[str]) -> None:
        """Remove them."""
        for name in self._names() - before:
            shutil.rmtree(self._directory / name, ignore_errors=True)


class DescriptorAuditor:
    """File descriptors of the runner. Not in the default set: libraries keep some for good reasons."""

    def snapshot(self) -> set[tuple[int, int, int]]:
        """Number, device and inode of each."""
        return {(descriptor, its.st_dev, its.st_ino) for descriptor, its in _open_descriptors()}

    def leaks(self, before: set[tuple[int, int, int]]) -> list[Leak]:
        """Each one that is new."""
        found = []
        for descriptor, device, inode in sorted(self.snapshot() - before):
            try:
                target = os.readlink(f"/dev/fd/{descriptor}")
            except OSError:
                target = f"device {device}, inode {inode}"
            found.append(Leak("file descriptor", f"{descriptor} ({target})", "close it"))
        return found

    def clean(self, before: set[tuple[int, int, int]]) -> None:
        """Nothing: to close a descriptor under its owner would hit whoever gets the number next."""


class LeakAudit:
    """Takes a snapshot before a test and says after it what was left, when all its teardown is done.

    `auditors` is the set to ask; by default processes, listening sockets and directories of `supervisor`, and what was made
    in a container engine.
    """

    def __init__(
        self, supervisor: Supervisor | None = None, auditors: Sequence[Auditor] | None = None
    ) -> None:
        from seatrial.containers.audit import EngineAuditor  # it knows a leak when it sees one

        supervisor = supervisor or Supervisor.current()
        self._auditors: Sequence[Auditor] = (
            (ProcessAuditor(supervisor), SocketAuditor(), DirectoryAuditor(supervisor), EngineAuditor())
            if auditors is None
            else auditors
        )

    def snapshot(self) -> tuple[Any, ...]:
        """What there is now, for `leaks`."""
        return tuple(auditor.snapshot() for auditor in self._auditors)

    def leaks(self, before: tuple[Any, ...]) -> tuple[Leak, ...]:
        """What there is more than at `before`; what can be removed safely is removed.

        Something that is about to go gets a quarter of a second; an audit that finds nothing takes about a millisecond.
        """
        found: list[Leak] = []

        def nothing_left() -> bool:
            found[:] = [
                leak
                for auditor, its in zip(self._auditors, before, strict=True)
                for leak in auditor.leaks(its)
            ]
            return not found

        if nothing_left():
            return ()
        try:
            until("everything of this test to be gone", nothing_left, _GRACE)
        except (WaitTimeout, ProcessDied):
            for auditor, its in zip(self._auditors, before, strict=True):
                auditor.clean(its)
        return tuple(found)
