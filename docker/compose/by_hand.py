"""The platform in containers, by hand: `up` builds the images, brings everything up in the order of its health and prints where
it is; Ctrl-C, or `down`, removes all of it. See docker/README.md.

Everything that is made for a project lies in `.seatrial/platform/<project>`, readable for its maker alone: the generated secrets
among the variables of docker/compose/platform.yaml, and the games' state. Several projects may be up at the same time.
"""

import argparse
import base64
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from contracts import images
from seatrial import SeatrialError
from seatrial.containers import wire
from seatrial.containers.engine import Engine
from seatrial.containers.streams import Documents

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE_FILE: Final = ROOT / "docker" / "compose" / "platform.yaml"
IMAGE_USER: Final = 10001
"""The user of every image; rtmanager writes games' state as this one when root brings the platform up."""
HEALTHY_S: Final = 120.0
_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SERVICES: Final = {
    "gateway": {8080: "http", 9090: "grpc"},
    "authsession": {8090: "http"},
    "lobby": {8100: "http"},
    "notification": {8110: "http"},
    "rtmanager": {8120: "http"},
    "externals": {8000: "http"},
}


class PlatformError(SeatrialError):
    """The platform cannot be brought up or down."""


class Project:
    """One platform in containers, by the name that its containers begin with."""

    def __init__(self, name: str) -> None:
        if not _PROJECT.fullmatch(name):
            raise PlatformError(
                f"project {name!r}: give 1 to 32 of a-z 0-9 -, beginning with a letter or a digit"
            )
        self.name = name
        self.directory = ROOT / ".seatrial" / "platform" / name
        self.state_root = self.directory / "games"
        self.environment_file = self.directory / "environment"
        self.engine = Engine.current()
        self.wire = self.engine.wire

    def compose(self, *arguments: str) -> None:
        """Run compose on it; raises PlatformError."""
        command = [*_compose(), "--project-name", self.name, "--env-file", str(self.environment_file)]
        command += ["--file", str(COMPOSE_FILE), *arguments]
        # Compose prefers what is set in its own environment, even to nothing: only what was written down counts.
        environment = {**os.environ, **self.read_environment()}
        if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
            raise PlatformError(f"`{' '.join(command)}` failed: its own words are above")

    def read_environment(self) -> dict[str, str]:
        """The variables of the compose file that were written down."""
        lines = self.environment_file.read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line)

    def write_environment(self, references: Mapping[str, str]) -> None:
        """Write them down, with secrets of its own; those of a project that is there already stay."""
        variables = {f"{name.upper()}_IMAGE": references[name] for name in (*_SERVICES, "postgres", "redis")}
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state_root.mkdir(exist_ok=True)
        root = os.geteuid() == 0
        if root:
            os.chown(self.state_root, IMAGE_USER, IMAGE_USER)
        self.state_root.chmod(0o750)
        socket = _socket()
        known = self.read_environment() if self.environment_file.exists() else {}
        variables |= {
            "COMPOSE_PROJECT_NAME": self.name,
            "STATE_ROOT": str(self.state_root),
            "PLATFORM_USER": f"{IMAGE_USER}:{IMAGE_USER}" if root else f"{os.geteuid()}:{os.getegid()}",
            "DOCKER_SOCKET": str(socket),
            "DOCKER_SOCKET_GROUP": str(socket.stat().st_gid),
            "POSTGRES_PASSWORD": known.get("POSTGRES_PASSWORD") or secrets.token_hex(16),
            "GATEWAY_SIGNING_KEY": known.get("GATEWAY_SIGNING_KEY") or _key(),
            "AUTHSESSION_CODE_PEPPER": known.get("AUTHSESSION_CODE_PEPPER") or _key(),
        }
        passed = re.findall(r"\$\{([A-Z_]+):-", COMPOSE_FILE.read_text(encoding="utf-8"))
        variables |= {name: os.environ.get(name, "") for name in passed if os.environ.get(name)}
        descriptor = os.open(self.environment_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{name}={value}\n" for name, value in variables.items()))

    def engine_tag(self, version: str) -> str:
        """The image_ref for a game of this project: a version, with a suffix that no other image has."""
        return f"seatrial-engine:{version}-{self.name}"

    def containers(self, label: str) -> list[dict[str, Any]]:
        """Its containers, those that ended too."""
        listed: list[dict[str, Any]] = self.wire.ask(
            "GET", "/containers/json", all=1, filters={"label": [label]}
        ).json()
        return listed

    @property
    def members(self) -> list[dict[str, Any]]:
        """What compose has made."""
        return self.containers(f"com.docker.compose.project={self.name}")

    @property
    def games(self) -> list[dict[str, Any]]:
        """What its rtmanager has made."""
        return self.containers(f"seatrial.rtmanager.deployment={self.name}")


def _compose() -> list[str]:
    ran = subprocess.run(
        [ROOT / "docker" / "engine", "compose"], stdout=subprocess.PIPE, text=True, check=False
    )
    if ran.returncode:
        raise PlatformError("there is nothing to drive compose files with: see above")
    return ran.stdout.split()


def _socket() -> Path:
    place = wire.find()
    if not place.local:
        raise PlatformError(
            f"the engine is at {place.url}: rtmanager needs its socket and its file system; unset DOCKER_HOST"
        )
    return Path(place.path)


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def up(project: Project) -> None:
    """Bring it up, or up to date. Raises PlatformError, and then everything stays to be looked at."""
    references = images.build()
    project.write_environment(references)
    for version in images.ENGINE_VERSIONS:
        repository, _, tag = project.engine_tag(version).partition(":")
        project.wire.ask("POST", f"/images/{references[f'engine-{version}']}/tag", repo=repository, tag=tag)
    project.compose("up", "--detach", "--remove-orphans")
    _await_health(project)


def _await_health(project: Project) -> None:
    """Until every container is healthy; the engine says when one's health changes, or it ends."""
    filters = {
        "type": ["container"],
        "event": ["health_status", "die"],
        "label": [f"com.docker.compose.project={project.name}"],
    }
    began = project.engine.now
    with Documents(
        project.engine.place,
        "/events",
        since=f"{began:.6f}",
        until=f"{began + HEALTHY_S:.6f}",
        filters=filters,
    ) as changes:
        if _healthy(project):
            return
        for _ in changes:
            if _healthy(project):
                return
    states = ", ".join(f"{_service(each)} {each['Status']}" for each in project.members)
    raise PlatformError(f"not everything is healthy after {HEALTHY_S:g} s: {states}")


def _healthy(project: Project) -> bool:
    states = {_service(each): str(each["Status"]) for each in project.members}
    for service, status in states.items():
        if not status.startswith("Up") or "unhealthy" in status:
            logs = f"docker logs {project.name}_{service}_1"
            raise PlatformError(
                f"{service} is not well ({status}): see `{logs}`; `make down-docker` removes everything"
            )
    return all("(healthy)" in status for status in states.values())


def _service(container: Mapping[str, Any]) -> str:
    return str(container["Labels"]["com.docker.compose.service"])


def addresses(project: Project) -> dict[str, str]:
    """Where this machine reaches it: `gateway http` -> `127.0.0.1:port`, and so on."""
    found: dict[tuple[str, int], str] = {}
    for container in project.members:
        for port in container["Ports"]:
            if "PublicPort" in port:
                found[_service(container), port["PrivatePort"]] = f"{port['IP']}:{port['PublicPort']}"
    return {
        f"{service} {kind}": found[service, port]
        for service, ports in _SERVICES.items()
        for port, kind in ports.items()
        if (service, port) in found
    }


def down(project: Project) -> None:
    """Remove everything: games, containers, networks, tags, secrets, state."""
    for container in project.games:
        project.wire.ask("DELETE", f"/containers/{container['Id']}", force=1, v=1)
    if project.environment_file.exists():
        project.compose("down", "--volumes", "--remove-orphans", "--timeout", "10")
    for container in project.games:  # one that rtmanager had begun to start meanwhile
        project.wire.ask("DELETE", f"/containers/{container['Id']}", force=1, v=1)
    for version in images.ENGINE_VERSIONS:
        project.engine.remove_image(project.engine_tag(version))
    shutil.rmtree(project.directory, ignore_errors=True)


def table(project: Project) -> str:
    """What a person wants to know of a platform that is up."""
    rows = [
        (name, f"http://{at}" if name.endswith("http") else at) for name, at in addresses(project).items()
    ]
    rows += [
        ("image_ref", project.engine_tag(images.ENGINE_VERSIONS[0])),
        (
            "codes of mails",
            f"curl 'http://{addresses(project)['externals http']}/mails?email=ada@example.test'",
        ),
        ("logs", f"docker logs -f {project.name}_lobby_1"),
    ]
    return "".join(f"{name:18} {value}\n" for name, value in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="docker/compose/by_hand.py", description="The platform in containers."
    )
    parser.add_argument("command", choices=("up", "down", "addresses"))
    parser.add_argument(
        "--project", default="seatrial", help="names the containers; several may be up (default: seatrial)"
    )
    parser.add_argument("--detach", action="store_true", help="leave it up; `down` removes it")
    chosen = parser.parse_args(arguments)
    try:
        project = Project(chosen.project)
        if chosen.command == "addresses":
            sys.stdout.write(json.dumps(addresses(project), indent=4) + "\n")
        elif chosen.command == "down":
            down(project)
        else:
            _run(project, detach=chosen.detach)
    except SeatrialError as error:
        sys.stderr.write(f"seatrial: {error}\n")
        return 1
    return 0


def _run(project: Project, *, detach: bool) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        up(project)
        sys.stdout.write(table(project))
        if detach:
            return
        sys.stdout.write("Ctrl-C removes it\n")
        sys.stdout.flush()
        signal.pause()
    except KeyboardInterrupt:
        # Another Ctrl-C must not leave half of it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        down(project)


if __name__ == "__main__":
    sys.exit(main())
