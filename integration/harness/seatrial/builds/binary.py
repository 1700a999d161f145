"""What a `Service` executes: a Python service built from source once per content, or any other command.

`PythonBinary` takes a snapshot of the source tree, the libraries it needs and its lock file. The hash of that snapshot names an
environment in the cache: present and complete, it is used as it is; otherwise wheels are built with uv, installed beside the
locked dependencies (hashes required) and compiled to bytecode. What is built is the snapshot itself, never the checkout, so a
file saved meanwhile cannot slip in, and nothing is ever written into the checkout.

A run resolves each binary once and keeps it: every process of one run executes the same build.
"""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.builds.buildcache import (
    COMPLETE,
    BinaryError,
    cache_directory,
    is_complete,
    locked,
    prune,
    touch,
)
from seatrial.builds.progress import progress
from seatrial.builds.sources import Files, read_tree, write_tree
from seatrial.processes.warmboot import Preload
from seatrial.service import Binary

__all__ = ["Binary", "BinaryError", "Command", "PythonBinary"]

_FORMAT: Final = 1
"""Version of the layout and of the way environments are made; part of every content hash."""
_NETWORK_FAILURES: Final = (
    "failed to fetch",
    "error sending request",
    "dns error",
    "connect error",
    "client error (connect)",
)


class Command:
    """A command that is already on the machine: `Command("redis-server", "--loglevel", "verbose")`.

    The first word is looked up on `PATH` each time a process starts, unless it contains a slash.
    """

    def __init__(self, program: str | os.PathLike[str], *arguments: str | os.PathLike[str]) -> None:
        self.program = os.fspath(program)
        self.arguments = tuple(os.fspath(argument) for argument in arguments)

    def __repr__(self) -> str:
        return f"Command({', '.join(map(repr, (self.program, *self.arguments)))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Command) and (self.program, self.arguments) == (
            other.program,
            other.arguments,
        )

    def __hash__(self) -> int:
        return hash((self.program, self.arguments))

    def command(self) -> Sequence[str]:
        """Its full path and the arguments; raises `BinaryError` when it is not there."""
        found = shutil.which(self.program)
        if found is None:
            if "/" in self.program:
                reason = (
                    "it is not an executable file"
                    if os.path.exists(self.program)
                    else "there is no such file"
                )
                raise BinaryError(
                    f"command {self.program}: {reason}; correct the path or install the program"
                )
            raise BinaryError(
                f"command {self.program}: not found on PATH ({os.environ.get('PATH', '')}); "
                "install it, extend PATH, or name it by its full path"
            )
        return (os.path.abspath(found), *self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonBinary:
    """A Python service's console script, built from its source tree into a small environment of its own.

    `name`       what errors, progress and the cache call it;
    `source`     the directory of the service's `pyproject.toml`;
    `libraries`  directories of further distributions that are built and installed beside it;
    `lock`       requirements with hashes for everything else (`uv pip compile --universal --generate-hashes`);
    `script`     the console script that starts the service;
    `excluded`   file name patterns that are neither built nor part of the content: tests;
    `preload`    modules that a warm boot finds imported, besides those that the script itself imports: what it imports late.
    """

    name: str
    source: Path
    lock: Path
    script: str
    libraries: tuple[Path, ...] = ()
    excluded: tuple[str, ...] = ("*_test.py", "conftest.py")
    preload: tuple[str, ...] = ()

    def command(self) -> Sequence[str]:
        """Absolute path of the installed console script; builds it when its content was never built. Raises `BinaryError`."""
        return (str(_resolve_once(self)),)

    def preloaded(self) -> Preload:
        """What its warm boots are forked from; builds it as `command` does. Raises `BinaryError`."""
        script = _resolve_once(self)
        return Preload(str(script.with_name("python")), str(script), self.preload)

    def resolve(self) -> Path:
        """As `command`, without the memory of earlier calls in this process."""
        started = time.monotonic()
        sources, lock = self._snapshots(), self._read_lock()
        directory = cache_directory(self.source) / f"{self.name}-{self._digest(sources, lock)}"
        script = directory / "environment" / "bin" / self.script
        while True:
            with locked(directory, shared=True) as lease:
                if is_complete(directory, script):
                    lease.keep()
                    touch(directory)
                    return script
            with locked(
                directory, shared=False, waiting=f"{self.name}: another process is building it"
            ) as lease:
                # Someone else may have built it while this process waited for the lock.
                if not is_complete(directory, script):
                    self._build(directory, sources, lock, descriptor=lease.descriptor)
                    progress.say(f"{self.name}: built in {time.monotonic() - started:.1f} s")
            prune(directory.parent, self.name)
            # Back to the top: the exclusive lock was given up, and only a shared one may be kept.

    def digest(self) -> str:
        """What names its build: a hash of everything that goes into it. Raises `BinaryError` when something is missing."""
        return self._digest(self._snapshots(), self._read_lock())

    def _snapshots(self) -> list[Files]:
        return [self._snapshot(directory) for directory in (self.source, *self.libraries)]

    def _snapshot(self, directory: Path) -> Files:
        if not (directory / "pyproject.toml").is_file():
            raise BinaryError(
                f"binary {self.name}: {directory} has no pyproject.toml; name the directory of the distribution's pyproject.toml"
            )
        return read_tree(directory.resolve(), self.excluded)

    def _read_lock(self) -> bytes:
        try:
            return self.lock.read_bytes()
        except OSError as error:
            raise BinaryError(
                f"binary {self.name}: its lock file {self.lock} cannot be read ({error.strerror}); make it with "
                "`uv pip compile --universal --generate-hashes`"
            ) from None

    def _digest(self, sources: Sequence[Files], lock: bytes) -> str:
        digest = hashlib.sha256()

        def add(*parts: bytes) -> None:
            for part in parts:
                digest.update(len(part).to_bytes(8, "big"))
                digest.update(part)

        add(json.dumps([_FORMAT, self.script, _interpreter()]).encode(), lock)
        for files in sources:
            add(len(files).to_bytes(8, "big"))
            for path in sorted(files):
                content, mode = files[path]
                add(path.encode("utf-8", "surrogateescape"), oct(mode).encode(), content)
        return digest.hexdigest()[:16]

    def _build(self, directory: Path, sources: Sequence[Files], lock: bytes, *, descriptor: int) -> None:
        """Make `directory` from nothing; its marker is written last, so that a build cut short is not mistaken for one."""
        started = time.monotonic()
        shutil.rmtree(directory, ignore_errors=True)
        staging = directory / "staging"
        wheels = staging / "wheels"
        uv = functools.partial(self._uv, directory=staging, descriptor=descriptor)
        roots = []
        for number, files in enumerate(sources):
            roots.append(staging / f"source-{number}")
            write_tree(roots[-1], files)
        (staging / "lock.txt").write_bytes(lock)
        environment = directory / "environment"
        python = str(environment / "bin" / "python")
        for root, origin in zip(roots, (self.source, *self.libraries), strict=True):
            progress.say(f"{self.name}: building the wheel of {origin.name}")
            uv(f"the wheel of {origin}", "build", "--wheel", "--out-dir", str(wheels), str(root))
        uv("its environment", "venv", "--no-project", "--python", sys.executable, str(environment))
        progress.say(f"{self.name}: installing {self.lock.name}")
        install = ("pip", "install", "--python", python, "--no-deps")
        uv(f"the dependencies of {self.lock}", *install, "--require-hashes", "-r", str(staging / "lock.txt"))
        # The last installation compiles whatever is there by then.
        built = map(str, sorted(wheels.glob("*.whl")))
        uv("its wheels", *install, "--compile-bytecode", "--no-index", *built)
        uv(f"a check of {self.lock} against what the wheels require", "pip", "check", "--python", python)
        if not (environment / "bin" / self.script).is_file():
            raise BinaryError(
                f"binary {self.name}: its wheels install no console script {self.script!r}; "
                f"check [project.scripts] in {self.source / 'pyproject.toml'}"
            )
        shutil.rmtree(staging)
        facts = {
            "name": self.name,
            "python": sys.version.split()[0],
            "seconds": round(time.monotonic() - started, 3),
        }
        marker = directory / "complete.part"
        marker.write_text(json.dumps(facts) + "\n")
        marker.rename(directory / COMPLETE)

    def _uv(self, doing: str, *arguments: str, directory: Path, descriptor: int) -> None:
        ran = subprocess.run(
            [uv_program(), "--quiet", *arguments],
            cwd=directory,
            env=_build_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            # uv inherits the lock: killed with this process or not, nobody builds in the same directory before it has ended.
            pass_fds=(descriptor,),
        )
        if ran.returncode:
            words = ran.stdout.strip() or f"uv said nothing and exited with {ran.returncode}"
            raise BinaryError(f"binary {self.name}: uv could not make {doing}; {_remedy(words)}\n{words}")


@functools.cache
def _resolve_once(binary: PythonBinary) -> Path:
    return binary.resolve()


def _remedy(words: str) -> str:
    spoken = words.lower()
    if any(failure in spoken for failure in _NETWORK_FAILURES):
        return "the package index was not reached: connect, or point UV_INDEX_URL or UV_FIND_LINKS at one that can be"
    if "hash" in spoken and ("mismatch" in spoken or "require-hashes" in spoken or "--hash" in spoken):
        return "compile the lock again with `uv pip compile --universal --generate-hashes`"
    if "requires" in spoken and "installed" in spoken:
        return "the lock lacks what the wheels require: compile it again"
    return "its own words follow"


def uv_program() -> str:
    """Path of the uv that belongs to the harness' environment; raises `BinaryError` when it is not installed."""
    try:
        from uv import find_uv_bin  # that of the harness' own environment, never whatever is on PATH
    except ImportError as error:
        raise BinaryError(f"{error}: install seatrial[build]") from None
    try:
        return os.fspath(find_uv_bin())
    except FileNotFoundError as error:
        raise BinaryError(f"the package uv has no program ({error}): install seatrial[build] again") from None


def _build_environment() -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("PYTHON") and key != "VIRTUAL_ENV"
    }
    return kept | {
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        # Files restored from a CI cache get other times; bytecode that is checked by hash-of-content only once stays valid.
        "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
    }


@functools.cache
def _interpreter() -> list[str]:
    base = os.path.realpath(sys.executable)
    return [sys.version, sys.implementation.cache_tag or "", sysconfig.get_platform(), base]
