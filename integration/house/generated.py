"""Files that are generated from published contracts, and whether they are current.

`python -m house.generated --check`, with an interpreter that has grpcio-tools and mypy-protobuf, names the gateway's protobuf
modules that differ from what its .proto file says now. (Its OpenAPI documents are held by each service's unit tests, and the
contract clients' protobuf modules by `python -m contracts.generate --check`.)
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from house.environments import Installed
from house.rooms import LIBRARY


def openapi_services(root: Path) -> list[str]:
    """The services whose OpenAPI document is written by a module of theirs."""
    modules = root.glob("services/*/*/openapi.py")
    return sorted(path.parent.name for path in modules if (path.parents[1] / "api" / "openapi.yaml").exists())


def write_all(root: Path, lint: Installed, units: Mapping[str, Installed]) -> None:
    """Write every generated file anew; raises CalledProcessError when a generator refuses.

    `units` has the environment of each service with a document, and of servicekit, whose generator writes its file itself.
    """
    _gateway_wire(root, str(lint.python), root / "services" / "gateway" / "gateway" / "wire")
    subprocess.run([lint.python, "-m", "contracts.generate"], cwd=root / "integration", check=True)
    subprocess.run([units[LIBRARY].python, "-m", f"{LIBRARY}.openapi"], check=True)
    for service in openapi_services(root):
        ran = subprocess.run(
            [units[service].python, "-m", f"{service}.openapi"], stdout=subprocess.PIPE, check=True
        )
        (root / "services" / service / "api" / "openapi.yaml").write_bytes(ran.stdout)


def stale(root: Path, python: str) -> list[str]:
    """The gateway's protobuf modules that are not current, relative to the repository."""
    wire = root / "services" / "gateway" / "gateway" / "wire"
    with tempfile.TemporaryDirectory() as folder:
        _gateway_wire(root, python, Path(folder))
        made = {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*.py*")}
    return sorted(
        str((wire / name).relative_to(root)) for name in made if _content(wire / name) != made[name]
    )


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _gateway_wire(root: Path, python: str, target: Path) -> None:
    script = root / "services" / "gateway" / "generate.sh"
    subprocess.run(["sh", script, target], env={**os.environ, "PYTHON": python}, check=True)


def main() -> int:
    """Name what is not current; 1 if there is something."""
    if sys.argv[1:] != ["--check"]:
        sys.stderr.write("usage: python -m house.generated --check (to write the files: nox -s generate)\n")
        return 2
    names = stale(Path(__file__).parents[2], sys.executable)
    sys.stdout.writelines(f"{name}: not current\n" for name in names)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
