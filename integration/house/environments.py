"""The Python environments that tiers run in: one per lock and interpreter, in `.seatrial/environments`.

An environment is made or changed only when its lock, the projects installed in it or its interpreter changed; otherwise opening
one costs a few file reads. Environments are shared by all sessions that name them, which is why nox makes none of its own.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from house.interpreters import Interpreter
from house.locks import Lock

_FORMAT: Final = b"1"
_MARK: Final = "seatrial-digest"


class EnvironmentFault(Exception):
    """An environment that cannot be made; says why, in the installer's words."""


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment that is ready to be used."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def program(self, name: str) -> str:
        """The path of a program installed in it."""
        return str(self.folder / "bin" / name)


def uv_command(root: Path) -> list[str]:
    """The uv of the tools environment, or the one beside this interpreter; makes the tools environment where neither is.

    Raises EnvironmentFault when that fails.
    """
    tools = root / ".seatrial" / "tools"
    for candidate in (tools / "bin" / "uv", Path(sys.executable).with_name("uv")):
        if os.access(candidate, os.X_OK):
            return [str(candidate)]
    script = root / "integration" / "house" / "bootstrap.sh"
    ran = subprocess.run(["sh", script, tools], env={**os.environ, "PYTHON": sys.executable}, check=False)
    if ran.returncode:
        raise EnvironmentFault("uv is missing and could not be installed: see above")
    return [str(tools / "bin" / "uv")]


def install(root: Path, name: str, projects: Sequence[str], interpreter: Interpreter) -> Installed:
    """The environment of a name for an interpreter, with the projects in editable mode; raises EnvironmentFault."""
    folder = root / ".seatrial" / "environments" / f"{name}-{interpreter.version}"
    lock = Lock(root, name)
    wanted = _digest(lock.compiled, [root / project for project in projects], interpreter)
    if _is_current(folder, wanted):
        return Installed(folder)
    with _alone(folder):
        if not _is_current(folder, wanted):
            _make(root, folder, lock.compiled, [str(root / project) for project in projects], interpreter)
            (folder / _MARK).write_text(wanted, encoding="ascii")
    return Installed(folder)


def _is_current(folder: Path, wanted: str) -> bool:
    try:
        return (folder / _MARK).read_text(encoding="ascii") == wanted and (folder / "bin" / "python").exists()
    except OSError:
        return False


def _digest(lock: Path, projects: Sequence[Path], interpreter: Interpreter) -> str:
    digest = hashlib.sha256(_FORMAT)
    try:
        parts = [lock.read_bytes(), *((project / "pyproject.toml").read_bytes() for project in projects)]
    except OSError as error:
        raise EnvironmentFault(
            f"{error.filename}: {error.strerror} (run `nox -s lock`, or correct tiers.toml)"
        ) from None
    for part in (*parts, os.fsencode(interpreter.path), *(os.fsencode(project) for project in projects)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other sessions from making the same environment at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(folder.suffix + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(root: Path, folder: Path, lock: Path, projects: Sequence[str], interpreter: Interpreter) -> None:
    uv = uv_command(root)
    (folder / _MARK).unlink(missing_ok=True)
    if (
        not (folder / "bin" / "python").exists()
        or (folder / "bin" / "python").resolve() != interpreter.path.resolve()
    ):
        shutil.rmtree(folder, ignore_errors=True)
        _run(root, [*uv, "venv", "--quiet", "--no-project", "--python", str(interpreter.path), str(folder)])
    target = ["--quiet", "--python", str(folder / "bin" / "python")]
    _run(root, [*uv, "pip", "sync", *target, "--require-hashes", "--compile-bytecode", str(lock)])
    if projects:
        editable = [word for project in projects for word in ("--editable", project)]
        _run(root, [*uv, "pip", "install", *target, "--no-deps", *editable])
        _run(root, [*uv, "pip", "check", *target])


def _run(root: Path, command: Sequence[str]) -> None:
    ran = subprocess.run(
        command, cwd=root, env=_clean(os.environ), capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise EnvironmentFault(
            f"`{' '.join(command[1:3])}` failed for {command[-1]}:\n{(ran.stderr or ran.stdout).strip()}"
        )


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """A surrounding virtual environment must not be mistaken for the one that is made."""
    kept = {
        name: value
        for name, value in environment.items()
        if name != "VIRTUAL_ENV" and not name.startswith("PYTHON")
    }
    return kept | {"UV_PYTHON_DOWNLOADS": "never"}
