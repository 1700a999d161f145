"""What goes into the images besides their Dockerfiles: files made on the host from sources and locks, never inside a build.

Everything here is the same whoever makes it: no path of this machine, no time, no record of who installed it.
"""

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from contracts.paths import SERVICES
from seatrial.builds.binary import uv_program
from seatrial.builds.sources import Files, read_tree, write_tree
from seatrial.containers.engine import Engine
from seatrial.containers.image import ImageError, Made

PYTHON: Final = "3.11"
"""The Python of the base images."""
_FORMAT: Final = "1"
"""Version of the way in which things are staged; part of every digest."""
_TESTS: Final = ("*_test.py", "conftest.py")
_LOCKS: Final = SERVICES.parent / "requirements"
_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_LAUNCHER: Final = (
    "#!/usr/bin/env python3\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
)


@functools.cache
def machine() -> str:
    """The architecture of the engine, as wheels call it. Raises ImageError for one that none are published for."""
    architecture = str(Engine.current().wire.ask("GET", "/version").json()["Arch"])
    if architecture not in _ARCHITECTURES:
        raise ImageError(
            f"the engine is of architecture {architecture}: use one of {', '.join(_ARCHITECTURES)}"
        )
    return _ARCHITECTURES[architecture]


def dependencies(service: str) -> Made:
    """What a service's lock names, as a folder for Python's path."""
    lock = _LOCKS / f"{service}.txt"

    def make(directory: Path) -> None:
        _install(directory, ["--requirements", str(lock)], of=lock.name)

    return Made(
        digest=lambda: _digest(lock.read_bytes(), machine().encode()),
        make=make,
        target="dependencies/opt/service/lib",
    )


def wheel_content(package: str, place: Callable[[str], str | None], *, target: str) -> Made:
    """Files of one wheel that the suites' lock names; `place` says where a path of the wheel goes, None for nowhere."""

    @functools.cache
    def requirement() -> str:
        return _locked(package)

    def make(directory: Path) -> None:
        with tempfile.TemporaryDirectory() as work:
            wanted = Path(work) / "requirement.txt"
            wanted.write_text(requirement(), encoding="utf-8")
            unpacked = Path(work) / "unpacked"
            _install(unpacked, ["--requirements", str(wanted)], of=package)
            for path in sorted(each for each in unpacked.rglob("*") if each.is_file()):
                name = place(str(path.relative_to(unpacked)))
                if name is not None:
                    copied = directory / name
                    copied.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, copied)

    return Made(digest=lambda: _digest(requirement().encode(), machine().encode()), make=make, target=target)


class Distribution:
    """A service with servicekit as their wheels install them, and its launcher. One snapshot of the sources serves all."""

    def __init__(self, service: str) -> None:
        self.service = service

    @functools.cached_property
    def _sources(self) -> dict[str, Files]:
        return {name: read_tree(SERVICES / name, _TESTS) for name in (self.service, "servicekit")}

    @functools.cached_property
    def project(self) -> dict[str, object]:
        """The [project] table of the service's pyproject.toml."""
        content, _ = self._sources[self.service]["pyproject.toml"]
        project: dict[str, object] = tomllib.loads(content.decode())["project"]
        return project

    @functools.cached_property
    def revision(self) -> str:
        """A hash of the sources and the lock."""
        lock = (_LOCKS / f"{self.service}.txt").read_bytes()
        return hashlib.sha256(f"{self._digest()}\0".encode() + lock).hexdigest()[:16]

    def part(self) -> Made:
        """The service's part of a context."""
        return Made(digest=self._digest, make=self._make, target="service/opt/service")

    def _digest(self) -> str:
        parts = []
        for name, files in self._sources.items():
            parts.append(name.encode())
            for path, (content, mode) in sorted(files.items()):
                parts += [path.encode(), oct(mode).encode(), content]
        return _digest(*parts)

    def _make(self, directory: Path) -> None:
        library = directory / "app"
        with tempfile.TemporaryDirectory() as place:
            wheels = Path(place) / "wheels"
            for name, files in self._sources.items():
                source = Path(place) / name
                write_tree(source, files)
                _uv(["build", "--wheel", "--out-dir", str(wheels), str(source)], doing=f"the wheel of {name}")
            for wheel in sorted(wheels.glob("*.whl")):
                if not wheel.name.endswith("-none-any.whl"):
                    raise ImageError(
                        f"{wheel.name} is not of pure Python: this image cannot be built from it"
                    )
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(library)
        scripts = self.project["scripts"]
        assert isinstance(scripts, dict)  # noqa: S101 - PEP 621 says so, and the wheel was built from it
        module, _, function = str(scripts[self.service]).partition(":")
        for name in (self.service, "start"):
            launcher = directory / "bin" / name
            launcher.parent.mkdir(exist_ok=True)
            launcher.write_text(_LAUNCHER.format(module=module, function=function), encoding="utf-8")
            launcher.chmod(0o755)


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256(_FORMAT.encode())
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def locked_version(package: str) -> str:
    """The version of a package that the suites' lock names."""
    return _locked(package).split(maxsplit=1)[0].partition("==")[2]


def _locked(package: str) -> str:
    """The lock's entry of one package, with its hashes."""
    lock = _LOCKS / "integration.txt"
    found = re.search(
        rf"^{re.escape(package)}==.*\n(?:    --hash=.*\n)+", lock.read_text(encoding="utf-8"), re.MULTILINE
    )
    if found is None:
        raise ImageError(
            f"requirements/{lock.name} does not lock {package}: add it to {lock.stem}.in and run `make lock`"
        )
    return found[0]


def _install(directory: Path, requirements: Sequence[str], *, of: str) -> None:
    """Install what is locked, for the images' Python and platform, without what tells one installation from another."""
    _uv(
        [
            *(
                "pip",
                "install",
                "--target",
                str(directory),
                "--no-deps",
                "--require-hashes",
                "--only-binary",
                ":all:",
            ),
            *("--python-version", PYTHON, "--python-platform", f"{machine()}-manylinux_2_36", *requirements),
        ],
        doing=f"the dependencies of {of}",
    )
    shutil.rmtree(directory / "bin", ignore_errors=True)  # scripts for the interpreter of this machine
    (directory / ".lock").unlink(missing_ok=True)
    for pattern in ("RECORD", "INSTALLER", "REQUESTED", "uv_cache.json"):
        for path in directory.glob(f"*.dist-info/{pattern}"):
            path.unlink()


_asking = threading.Lock()


@functools.cache
def _uv_program() -> str:
    with (
        _asking
    ):  # sysconfig, which it asks, is filled in at its first use, and tells another thread half of it
        return uv_program()


def _uv(arguments: Sequence[str], *, doing: str) -> None:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name != "VIRTUAL_ENV"
    }
    ran = subprocess.run(
        [_uv_program(), "--quiet", *arguments],
        env=kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "UV_LINK_MODE": "copy"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if ran.returncode:
        raise ImageError(
            f"uv could not make {doing}; is the package index reachable (UV_INDEX_URL, UV_FIND_LINKS)? "
            f"It said:\n{ran.stdout.strip()}"
        )
