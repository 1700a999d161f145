"""Artifacts: what is kept of a failed test, and where.

A run has one directory, each test that starts something one below it. Children write their logs
straight into it, so they are there even when the runner is killed; a test that passes removes its
own. Old runs are pruned, live ones (which hold a lock) are not.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from seatrial.results.reports import write_atomically

KEPT_RUNS: Final = 10
"""How many runs with failures are kept beside the current one."""
TAIL_LINES: Final = 20
"""How many of a log's last lines a failure shows."""
_LOCK: Final = ".running"
_NAME_LIMIT: Final = 100
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def safe_name(nodeid: str) -> str:
    """A file name for a node id: safe characters only, readable, unique by a digest at its end."""
    digest = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    readable = _UNSAFE.sub("-", nodeid.replace("::", ".").replace("/", ".")).strip("-.")
    return f"{readable[-_NAME_LIMIT:].lstrip('-.') or 'test'}-{digest}"


def new_run_name(now: datetime | None = None) -> str:
    """A name for a run's directory that sorts by time and that no other process uses."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


class RunArtifacts:
    """The directory of a run; made when the first test needs it, removed when nothing is left in it.

    Workers of one run share it. The process that `hold`s it keeps it from being pruned.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.path = root / name
        self._lock: int | None = None

    def hold(self) -> None:
        """Make the directory, and keep other runs from pruning it while this process lives."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def release(self) -> None:
        """End holding it; remove it if it is empty. Idempotent."""
        if self._lock is None:
            return
        if [entry.name for entry in self.path.iterdir()] == [_LOCK]:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def directory(self, name: str) -> Path:
        """A new directory of that name below the run's; a number is added where the name is taken."""
        self.path.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = self.path / (name if number == 1 else f"{name}.{number}")
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
            else:
                return path

    def prune(self, keep: int = KEPT_RUNS) -> tuple[Path, ...]:
        """Remove all but the newest finished runs; answers what was removed."""
        if not self.root.is_dir():
            return ()
        runs = sorted((p for p in self.root.iterdir() if (p / _LOCK).is_file()), reverse=True)
        finished = [path for path in runs if path != self.path and not _is_held(path)]
        for path in finished[keep:]:
            shutil.rmtree(path, ignore_errors=True)
        return tuple(finished[keep:])


def _is_held(run: Path) -> bool:
    try:
        descriptor = os.open(run / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class TestArtifacts:
    """The directory of one test; made at the first use."""

    __test__ = False

    def __init__(self, run: RunArtifacts, nodeid: str) -> None:
        self.nodeid = nodeid
        self._run = run
        self._path: Path | None = None

    @property
    def exists(self) -> bool:
        """Whether anything asked for the directory yet."""
        return self._path is not None

    @property
    def path(self) -> Path:
        """The directory."""
        if self._path is None:
            self._path = self._run.directory(safe_name(self.nodeid))
        return self._path

    def write(self, name: str, text: str) -> Path:
        """Put a text file into the directory."""
        path = self.path / name
        write_atomically(path, text)
        return path

    def discard(self) -> None:
        """Remove the directory with all that is in it. Idempotent."""
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(self._path)
            self._path = None
