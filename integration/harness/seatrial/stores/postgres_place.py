"""Where a PostgreSQL server of ours lives: a directory on memory-backed disk, and gone with its server, however that ends."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from seatrial.builds.progress import progress
from seatrial.processes.spawn import dies_with_parent
from seatrial.processes.supervisor import Supervisor
from seatrial.stores import postgres_burial
from seatrial.stores.store import StoreError

MEMORY: Final = Path("/dev/shm")  # noqa: S108  (each directory in it is made by mkdtemp)
NEEDED: Final = 256 * 1024 * 1024
"""Bytes that must be free for a place to be used: containers often have 64 MiB of /dev/shm, too few for a few databases."""
_LONGEST_SOCKET: Final = 107  # sun_path of unix(7), less its NUL
_ROOM: Final = len("/seatrial-pg-0123456789-01234567/1234567-own-postgres-12/.s.PGSQL.65535")
_NOBODY: Final = 65534
_BURIAL: Final = Path(postgres_burial.__file__)


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server is run by: PostgreSQL refuses to run as root, so root's servers belong to `nobody`."""

    uid: int
    gid: int

    @classmethod
    def needed(cls) -> "Account | None":
        """The account to change to; None for an ordinary user, who runs the server himself."""
        if os.geteuid() != 0:
            return None
        import pwd

        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            return cls(_NOBODY, _NOBODY)
        return cls(nobody.pw_uid, nobody.pw_gid)


def as_server(account: Account | None) -> Sequence[str]:
    """The prefix of a command that runs it as the server is run; raises `StoreError` when root has no setpriv.

    If the thread that started it ends, the kernel asks it to quit: a postmaster then ends all its backends, and frees its
    shared memory. (A change of user would clear what `seatrial.processes.spawn` asked of the kernel.)
    """
    if account is None:
        return ("setpriv", "--pdeathsig", "QUIT") if dies_with_parent() else ()
    if not dies_with_parent():
        raise StoreError(
            "PostgreSQL refuses to run as root, and there is no setpriv to become another user with: install util-linux,"
            " or run the tests as an ordinary user"
        )
    change = ("--reuid", str(account.uid), "--regid", str(account.gid), "--clear-groups", "--no-new-privs")
    return ("setpriv", *change, "--pdeathsig", "QUIT")


def can(account: Account | None, test: str, *arguments: str | Path) -> bool:
    """Whether the server's user can do something: `test` is a line of sh, with `arguments` as $1, $2, ..."""
    words = [*as_server(account), "/bin/sh", "-c", test, "sh", *map(str, arguments)]
    ran = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, cwd="/", check=False)
    return ran.returncode == 0


@cache
def base() -> Path:
    """The directory in which this machine's servers live: memory if it has room, else a temporary directory.

    Raises `StoreError` when there is none that the server's user can reach.
    """
    tried = []
    candidates = [MEMORY, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    for directory in candidates:
        try:
            free = shutil.disk_usage(directory).free
        except OSError as error:
            tried.append(f"{directory} ({error.strerror})")
            continue
        if not os.access(directory, os.W_OK | os.X_OK):
            tried.append(f"{directory} (not writable)")
        elif free < NEEDED:
            tried.append(f"{directory} ({free >> 20} MiB free, {NEEDED >> 20} are needed)")
        elif len(os.fsencode(directory)) + _ROOM > _LONGEST_SOCKET:
            tried.append(f"{directory} (too long a path for a Unix socket)")
        elif not can(Account.needed(), 'cd "$1"', directory):
            tried.append(f"{directory} (the user nobody cannot enter it)")
        else:
            if directory != MEMORY:
                progress.say(f"PostgreSQL's data are on disk, in {directory}: not in {tried[0]}")
            return directory
    raise StoreError(
        f"no place for PostgreSQL's data: tried {', '.join(tried)}; make room in one, or point TMPDIR elsewhere"
    )


def _home() -> Path:
    """This runner's own directory in `base()`, with the places of its servers; the warden buries it with a killed runner."""
    supervisor = Supervisor.current()
    home = base() / f"seatrial-pg-{supervisor.run_id[:-4]}"
    with contextlib.suppress(FileExistsError):
        home.mkdir(mode=0o700)
        if Account.needed() is not None:
            home.chmod(0o711)  # nobody must get to a place in it, and sees no other
        supervisor.last_will([sys.executable, "-I", "-S", str(_BURIAL), str(home)])
    return home


class Place:
    """A directory of one server's user, with `data` in it. Whoever made it removes it; the supervisor does at the latest."""

    def __init__(self, name: str, scope: Literal["test", "run"]) -> None:
        self.account: Final = Account.needed()
        self.scope = scope
        self._supervisor = Supervisor.current()
        self.path: Final = _home() / f"{self._supervisor.unique()}-{name}"
        self.path.mkdir(mode=0o700)
        self._supervisor.own(self)
        self.give(self.path)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.path / "data"

    @property
    def in_memory(self) -> bool:
        """Whether it is on memory-backed disk."""
        return self.path.is_relative_to(MEMORY)

    def __str__(self) -> str:
        return f"{self.path} ({'in memory' if self.in_memory else 'on disk: /dev/shm has no room'})"

    def give(self, path: Path) -> None:
        """Make `path` the server's user's."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def remove(self) -> None:
        """Bury what is in it, and remove it. Idempotent."""
        self._supervisor.disown(self)
        postgres_burial.bury(str(self.path))
        with contextlib.suppress(OSError):  # there are others in it
            self.path.parent.rmdir()

    async def end(self) -> None:
        """For the supervisor, when the runner ends: its last thread, so that nothing else is kept waiting."""
        postgres_burial.bury(str(self.path.parent))
