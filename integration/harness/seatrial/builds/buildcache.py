"""The directory of built binaries: shared by concurrent runs, never half-built to anybody, pruned but for what is in use."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.builds.progress import progress
from seatrial.errors import SeatrialError

KEPT: Final = 3
"""How many builds of one name stay besides those in use."""
COMPLETE: Final = "complete"
"""The file that says that a build was finished; it is written last, and its time is that of the last use."""


class BinaryError(SeatrialError):
    """A program cannot be found or built."""


def cache_directory(source: Path) -> Path:
    """Where builds of `source` live: `$SEATRIAL_CACHE`, or `.seatrial/binaries` of the checkout, or the user's cache directory.

    The checkout is the nearest directory above that has `tiers.toml` or `.git`, else `source`'s parent.
    """
    named = os.environ.get("SEATRIAL_CACHE")
    if named:
        directory = Path(named).absolute()
        directory.mkdir(parents=True, exist_ok=True)
        return directory
    source = source.resolve()
    roots = (
        above for above in source.parents if (above / "tiers.toml").exists() or (above / ".git").exists()
    )
    checkout = next(roots, source.parent)
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tried: list[str] = []
    for directory in (checkout / ".seatrial" / "binaries", user / "seatrial" / "binaries"):
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            tried.append(f"{directory} ({error.strerror})")
            continue
        if os.access(directory, os.W_OK):
            return directory
        tried.append(f"{directory} (not writable)")
    raise BinaryError(
        f"no place for built binaries: tried {', '.join(tried)}; set SEATRIAL_CACHE to a writable directory"
    )


_in_use: dict[Path, int] = {}
"""Shared locks of this process, held until it ends: directory of a build -> descriptor."""


@dataclass(slots=True)
class Lease:
    """A lock on the directory of a build, held by `descriptor`."""

    directory: Path
    descriptor: int
    kept: bool = False

    def keep(self) -> None:
        """Hold it until the process ends."""
        if self.directory not in _in_use:
            _in_use[self.directory] = self.descriptor
            self.kept = True


@contextmanager
def locked(directory: Path, *, shared: bool, waiting: str = "") -> Iterator[Lease]:
    """Lock the directory of a build, which need not exist; progress says `waiting` when somebody else holds it."""
    path = directory.with_name(directory.name + ".lock")
    operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if not shared and directory in _in_use:
        os.close(_in_use.pop(directory))  # our own shared lock would be waited for without end
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting:
                    progress.say(waiting)
                fcntl.flock(descriptor, operation)
            # Pruning removes lock files: a lock on a removed one excludes nobody.
            if _same_file(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    lease = Lease(directory, descriptor)
    try:
        yield lease
    finally:
        if not lease.kept:
            os.close(descriptor)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def is_complete(directory: Path, script: Path) -> bool:
    """Whether a build was finished and can still run."""
    # The interpreter is looked at too: an environment whose base Python was removed is a dangling link.
    return (
        (directory / COMPLETE).exists() and os.access(script, os.X_OK) and (script.parent / "python").exists()
    )


def touch(directory: Path) -> None:
    """Note that a build was used just now."""
    with suppress(OSError):  # a cache that others may read only
        os.utime(directory / COMPLETE)


@contextmanager
def claimed(directory: Path) -> Iterator[bool]:
    """Whether nobody uses a build; while this is entered, nobody begins to. Its lock file is removed then."""
    path = directory.with_name(directory.name + ".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        mine = _same_file(descriptor, path)
        yield mine
        if mine:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def prune(cache: Path, name: str) -> None:
    """Remove the builds of `name` that were used least recently, half-built ones first, never one that is in use."""

    def last_use(directory: Path) -> float:
        try:
            return os.stat(directory / COMPLETE).st_mtime
        except FileNotFoundError:
            return 0.0

    # The hash has a fixed length: builds of "chat" are not those of "chat-admin".
    builds = [path for path in cache.glob(f"{name}-{'[0-9a-f]' * 16}") if path.is_dir()]
    for directory in sorted(builds, key=last_use, reverse=True)[KEPT:]:
        with claimed(directory) as free:
            if free:
                shutil.rmtree(directory, ignore_errors=True)
