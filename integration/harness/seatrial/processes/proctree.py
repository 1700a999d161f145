"""What the kernel says about processes: descendants, sessions, environments, and who listens on a port.

Linux answers from /proc. Elsewhere `ps` answers, and what it cannot tell is unknown, never guessed.
"""

import os
import socket
import struct
import subprocess
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from seatrial.processes.listener import Address

_LISTEN: Final = "0A"
_GONE: Final = (FileNotFoundError, ProcessLookupError, PermissionError)


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One line of the process table; `started` is in clock ticks since boot, and tells two users of a pid apart."""

    pid: int
    name: str
    state: str
    parent: int
    session: int
    started: int

    @property
    def zombie(self) -> bool:
        """Whether it has ended, and only its status is left."""
        return self.state in ("Z", "X")

    @property
    def stopped(self) -> bool:
        """Whether a signal has suspended it."""
        return self.state in ("T", "t")

    def __str__(self) -> str:
        return f"pid {self.pid} ({command_line(self.pid) or self.name})"


@cache
def has_proc() -> bool:
    """Whether there is a /proc as Linux has it."""
    return Path("/proc/self/stat").exists()


@cache
def _lists_children() -> bool:
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def info(pid: int) -> ProcessInfo | None:
    """What is known about `pid`, or None when there is no such process."""
    if not has_proc():
        return _table_of_ps().get(pid)
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except _GONE:
        return None
    # proc_pid_stat(5): the name stands in parentheses and may contain anything, parentheses included.
    start, end = text.index("("), text.rindex(")")
    fields = text[end + 2 :].split()
    return ProcessInfo(pid, text[start + 1 : end], fields[0], int(fields[1]), int(fields[3]), int(fields[19]))


def _table_of_ps() -> dict[int, ProcessInfo]:
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat=,comm="], capture_output=True, text=True, check=True
    ).stdout
    table = {}
    for line in listing.splitlines():
        pid, parent, group, state, name = line.split(None, 4)
        table[int(pid)] = ProcessInfo(int(pid), name, state[0], int(parent), int(group), 0)
    return table


def pids() -> set[int]:
    """Every process that can be seen."""
    if not has_proc():
        return set(_table_of_ps())
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def children(pid: int) -> list[int]:
    """The direct children of `pid`, zombies included."""
    if has_proc() and _lists_children():
        found: list[int] = []
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    found.extend(map(int, file.read().split()))
        except _GONE:
            pass
        return found
    if not has_proc():
        return [each.pid for each in _table_of_ps().values() if each.parent == pid]
    return [each for each in pids() if (its := info(each)) is not None and its.parent == pid]


def descendants(root: int, *, besides: Collection[int] = ()) -> Iterator[ProcessInfo]:
    """Children, their children, and so on; what is in `besides` is left out together with what descends from it."""
    todo = children(root)
    while todo:
        pid = todo.pop()
        if pid in besides:
            continue
        its = info(pid)
        if its is None:
            continue
        yield its
        todo.extend(children(pid))


def command_line(pid: int) -> str:
    """The arguments of `pid` in one line; empty for a zombie, or where this cannot be known."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except _GONE:
        return ""
    return arguments.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")[:200]


def carries(pid: int, assignment: str) -> bool:
    """Whether `pid` was started with `NAME=value` in its environment; False where this cannot be known."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return assignment.encode() in file.read().split(b"\0")
    except _GONE:
        return False


def _listening_sockets(address: Address) -> set[int]:
    """Inodes of the sockets that get connections to `address`: those bound to it, else those bound to any address."""
    wanted = f"{address.port:04X}"
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    packed = socket.inet_pton(family, address.host)
    exactly = b"".join(
        struct.pack("<I", *struct.unpack(">I", packed[i : i + 4])) for i in range(0, len(packed), 4)
    )
    exact: set[int] = set()
    wildcard: set[int] = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except _GONE:
            continue
        for line in lines:
            fields = line.split()
            host, _, port = fields[1].partition(":")
            if fields[3] != _LISTEN or port != wanted:
                continue
            if bytes.fromhex(host) == exactly:
                exact.add(int(fields[9]))
            elif not host.strip("0"):
                wildcard.add(int(fields[9]))
    return exact or wildcard


def _sockets(pid: int) -> set[int] | None:
    """Inodes of the sockets that `pid` has open, or None when we may not know."""
    found = set()
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return found


def stranger_at(address: Address, family: Collection[int]) -> str | None:
    """Who gets the connections to `address`, if it is certainly none of the processes in `family`."""
    if not has_proc():
        return None
    listening = _listening_sockets(address)
    if not listening:
        return None
    for pid in family:
        sockets = _sockets(pid)
        if sockets is None or sockets & listening:
            return None
    for pid in pids() - set(family):
        if (_sockets(pid) or set()) & listening:
            its = info(pid)
            return str(its) if its is not None else f"pid {pid}"
    return "a process that we may not look at"
