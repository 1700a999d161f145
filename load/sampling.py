"""What processes cost while they are loaded: CPU time and memory, looked at every second."""

import contextlib
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import psutil

INTERVAL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One process and its children in one interval."""

    at_s: float
    name: str
    cores: float
    """CPU seconds a second."""
    rss_mib: float
    """Resident memory; pages that children share with their parent count in each."""


@dataclass
class Sampler:
    """Looks at processes by name; each with all its children, as PostgreSQL has one for each connection."""

    processes: Mapping[str, int]
    """Process ids by name."""
    begin: float
    """What the clock of the samples counts from, `time.monotonic`."""
    samples: list[Sample] = field(default_factory=list)
    _spent: dict[int, float] = field(default_factory=dict)
    _last: float = 0.0

    def look(self) -> None:
        """Takes a sample of each if the last ones are old enough."""
        now = time.monotonic()
        elapsed = now - self._last
        if elapsed < INTERVAL_S:
            return
        first, self._last = self._last == 0.0, now
        for name, pid in self.processes.items():
            spent, rss = 0.0, 0
            for process in _family(pid):
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    times = process.cpu_times()
                    total = times.user + times.system
                    spent += total - self._spent.get(process.pid, total if first else 0.0)
                    self._spent[process.pid] = total
                    rss += process.memory_info().rss
            if rss and not first:
                self.samples.append(Sample(now - self.begin, name, max(0.0, spent) / elapsed, rss / 2**20))


def _family(pid: int) -> Iterable[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        if pid == os.getpid():  # its children are all the others
            return [parent]
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
