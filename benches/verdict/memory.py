"""What a process occupies, from /proc/<pid>/smaps_rollup (proc(5)): Linux only."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial import until

_KIB: Final = 1024
_QUIET_S: Final = 0.5
_STILL: Final = 0.01
_PATIENCE_S: Final = 30.0


class MemoryUnknown(Exception):
    """The kernel does not tell, or there is no such process."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of memory of one process."""

    pss: int
    """Proportional set size: its own pages, and its share of those that it has in common with others."""
    rss: int
    """Resident set size: all of its pages that are in memory, in common or not."""


def footprint(pid: int, proc: Path = Path("/proc")) -> Footprint:
    """What a process occupies now. Raises MemoryUnknown."""
    path = proc / str(pid) / "smaps_rollup"
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise MemoryUnknown(f"{path}: {error.strerror} (Linux 4.14 or newer tells it)") from None
    found: dict[str, int] = {}
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        words = rest.split()
        if colon and len(words) == 2 and words[1] == "kB":
            found[name] = int(words[0]) * _KIB
    try:
        return Footprint(pss=found["Pss"], rss=found["Rss"])
    except KeyError as missing:
        raise MemoryUnknown(f"{path} has no line {missing}") from None


def settled(pids: Collection[int]) -> dict[int, Footprint]:
    """What processes occupy once none of them has changed by more than 1 % for half a second.

    A service that has just said READY still imports what its first background work needs. Raises MemoryUnknown, and WaitTimeout
    when they do not come to rest.
    """
    last, since = {pid: footprint(pid) for pid in pids}, time.monotonic()

    def quiet() -> dict[int, Footprint] | None:
        nonlocal last, since
        now = {pid: footprint(pid) for pid in pids}
        if any(abs(now[pid].pss - last[pid].pss) > _STILL * last[pid].pss for pid in pids):
            last, since = now, time.monotonic()
        return now if time.monotonic() - since >= _QUIET_S else None

    found = until("the memory of the processes to settle", quiet, _PATIENCE_S)
    if found is None:  # `until` returns true values only; this tells the type checker
        raise AssertionError
    return found
