"""The Python interpreters of this machine that the project supports."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUPPORTED: Final = ("3.11", "3.12", "3.13")
_ASK: Final = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name, sys.base_prefix)"
_TIMEOUT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython that was run and told its version."""

    version: str
    """Major and minor, as in `3.11`."""
    path: Path


def running() -> Interpreter:
    """The interpreter that runs this, seen through a virtual environment."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Interpreter(version, Path(getattr(sys, "_base_executable", None) or sys.executable).resolve())


def present(environment: Mapping[str, str] = os.environ) -> list[Interpreter]:
    """One interpreter for each supported version that this machine has, the oldest version first.

    A version manager's shim may exist for a version that is not active and fail when run, so every candidate is run, and the
    version manager's own folders are looked into as well.
    """
    found: dict[str, Interpreter] = {}
    if running().version in SUPPORTED:
        found[running().version] = running()
    for version in SUPPORTED:
        for path in _candidates(version, environment):
            if version not in found and (interpreter := _ask(path)) and interpreter.version == version:
                found[version] = interpreter
    return [found[version] for version in SUPPORTED if version in found]


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    for folder in environment.get("PATH", "").split(os.pathsep):
        if folder and (path := shutil.which(f"python{version}", path=folder)):
            yield Path(path)
    home = environment.get("HOME", "")
    for root in filter(None, (environment.get("PYENV_ROOT"), home and f"{home}/.pyenv")):
        yield from sorted(Path(root, "versions").glob(f"{version}.*/bin/python3"), reverse=True)


def _ask(path: Path) -> Interpreter | None:
    """The interpreter behind a path, or None when it does not run, takes too long or is not CPython."""
    try:
        ran = subprocess.run(
            [path, "-I", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match ran.stdout.split(maxsplit=2):
        case [version, "cpython", base] if ran.returncode == 0:
            exact = Path(base.strip(), "bin", f"python{version}")
            return Interpreter(version, exact if exact.exists() else path)
    return None
