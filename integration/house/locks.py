"""The lock files in `requirements/`: one per environment, compiled from the `.in` file of the same name.

A lock records the digest of all that it was compiled from, so that `lint` tells a stale one without asking any registry.
"""

import hashlib
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

OLDEST_PYTHON: Final = "3.11"
REMEDY: Final = "nox -s lock"
_MARK: Final = "# compiled from: sha256 "
_BYTES_TO_READ: Final = 1 << 12


class LockError(Exception):
    """A lock that cannot be made; names the file, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Lock:
    """One environment's requirements: `requirements/<name>.in` and, compiled from it, `requirements/<name>.txt`."""

    root: Path
    name: str

    @property
    def source(self) -> Path:
        """What people write."""
        return self.root / "requirements" / f"{self.name}.in"

    @property
    def compiled(self) -> Path:
        """What gets installed."""
        return self.root / "requirements" / f"{self.name}.txt"

    def lines(self) -> list[str]:
        """The meaningful lines of the source; raises LockError when there is no source."""
        try:
            text = self.source.read_text(encoding="utf-8")
        except OSError as error:
            raise LockError(
                f"{self.source}: {error.strerror} (write what the environment {self.name} needs)"
            ) from None
        return [
            line
            for raw in text.splitlines()
            if (line := raw.partition(" #")[0].strip()) and not line.startswith("#")
        ]

    def projects(self) -> list[Path]:
        """The folders of this repository's own distributions that it names: `./services/gateway`, `./services/kit[extra]`."""
        return [self.root / line.partition("[")[0] for line in self.lines() if line.startswith("./")]

    def constraints(self) -> list[str]:
        """The names of the locks whose versions it must share: `-c gateway.txt`."""
        return [line.split()[1].removesuffix(".txt") for line in self.lines() if line.startswith("-c ")]

    def digest(self) -> str:
        """SHA-256 of everything that decides what the lock says; raises LockError for a project that cannot be read."""
        digest = hashlib.sha256()
        for part in self._inputs():
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return digest.hexdigest()

    def _inputs(self) -> Iterator[bytes]:
        yield "\n".join(self.lines()).encode()
        for folder in self.projects():
            yield repr(_requirements(folder)).encode()
        for name in self.constraints():
            yield Lock(self.root, name).digest().encode()

    def fault(self) -> str | None:
        """Why the compiled lock is not current, or None when it is."""
        try:
            with self.compiled.open(encoding="utf-8") as file:
                head = file.read(_BYTES_TO_READ)
        except OSError as error:
            return f"{self.compiled.name}: {error.strerror} (run `{REMEDY}`)"
        if f"{_MARK}{self.digest()}\n" not in head:
            return (
                f"{self.compiled.name}: not compiled from what {self.source.name} says now (run `{REMEDY}`)"
            )
        return None

    def compile(self, uv: Sequence[str], arguments: Sequence[str] = ()) -> None:
        """Resolve against the configured package index; versions already locked stay unless `arguments` say `--upgrade`.

        Raises LockError when uv cannot.
        """
        own = [_requirements(folder)[0] for folder in self.projects()]
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / self.compiled.name
            if self.compiled.exists():
                output.write_bytes(self.compiled.read_bytes())
            command = [
                *uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes",
                "--python-version", OLDEST_PYTHON, "--no-emit-index-url", "--no-emit-find-links",
                "--custom-compile-command", REMEDY, "--output-file", str(output),
                *(word for name in own for word in ("--no-emit-package", name)),
                *arguments, f"requirements/{self.source.name}",
            ]  # fmt: skip
            ran = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
            if ran.returncode:
                raise LockError(f"{self.source}: uv could not resolve it:\n{ran.stderr.strip()}")
            text = output.read_text(encoding="utf-8")
        self.compiled.write_text(_MARK + self.digest() + "\n" + _without_mark(text), encoding="utf-8")


def all_locks(root: Path) -> list[Lock]:
    """Every lock of the repository, each after those that constrain it; raises LockError for a circle."""
    waiting = {path.stem: Lock(root, path.stem) for path in sorted((root / "requirements").glob("*.in"))}
    ordered: list[Lock] = []
    while waiting:
        ready = [name for name, lock in waiting.items() if not set(lock.constraints()) & set(waiting)]
        if not ready:
            raise LockError(
                f"requirements: {', '.join(waiting)} constrain each other in a circle (remove a -c line)"
            )
        ordered.extend(waiting.pop(name) for name in ready)
    return ordered


def _without_mark(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(_MARK))


def _requirements(folder: Path) -> tuple[str, str, list[str], dict[str, list[str]]]:
    """Name, Python, dependencies and optional dependencies of a distribution of this repository."""
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        extras = {
            name: sorted(lines) for name, lines in sorted(project.get("optional-dependencies", {}).items())
        }
        return project["name"], project["requires-python"], sorted(project.get("dependencies", [])), extras
    except OSError as error:
        raise LockError(f"{file}: {error.strerror} (correct the path in the .in file)") from None
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise LockError(
            f"{file}: {error!r} (a distribution needs name and requires-python in [project])"
        ) from None


def main() -> int:
    """Name every lock that is not current; 1 if there is one."""
    root = Path(__file__).parents[2]
    found = [fault for lock in all_locks(root) if (fault := lock.fault())]
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
