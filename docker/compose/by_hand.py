"""The platform in containers, by hand: `up` builds the images, brings everything up in the order of its health and prints where
it is; Ctrl-C, or `down`, removes all of it. See docker/README.md.

Everything that is made for a project lies in `.seatrial/platform/<project>`, readable for its maker alone: the generated secrets
among the variables of docker/compose/platform.yaml, and the games' state. Several projects may be up at the same time.

The label `seatrial.platform=<project>` marks what is a project's in the engine; nothing without it is ever removed. A run of
the harness gives its own labels by SEATRIAL_LABEL_RUN, _WORKER and _SCOPE, so that its sweep finds containers, networks and image
tags; SEATRIAL_PLATFORMS is another folder for what is made.
"""

import argparse
import base64
import contextlib
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
from seatrial.containers import sweep, wire
from seatrial.containers.engine import Engine
from seatrial.containers.streams import Documents

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE_FILE: Final = ROOT / "docker" / "compose" / "platform.yaml"
IMAGE_USER: Final = 10001
"""The user of every image; rtmanager writes games' state as this one when root brings the platform up."""
HEALTHY_S: Final = 120.0
ABORT_S: Final = 10.0
"""How long compose may take to end when it is interrupted."""
_SERVICE: Final = "com.docker.compose.service"
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
        self.label = f"seatrial.platform={name}"
        self.directory = Path(os.environ.get("SEATRIAL_PLATFORMS") or ROOT / ".seatrial/platform") / name
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
        # In a process group of its own: Ctrl-C reaches this program alone, which ends it before it cleans up.
        with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, process_group=0) as running:
            try:
                status = running.wait()
            except KeyboardInterrupt:
                running.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(ABORT_S)
                running.kill()
                raise
        if status:
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
        variables |= {name: os.environ[name] for name in passed if os.environ.get(name)}
        given = variables.get("RTMANAGER_CONTAINER_LABELS")
        variables["RTMANAGER_CONTAINER_LABELS"] = f"{self.label},{given}" if given else self.label
        descriptor = os.open(self.environment_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{name}={value}\n" for name, value in variables.items()))

    def engine_tag(self, version: str) -> str:
        """The image_ref for a game of this project: a version, with a suffix that no other image has."""
        run, worker = os.environ.get("SEATRIAL_LABEL_RUN"), os.environ.get("SEATRIAL_LABEL_WORKER")
        suffix = f"-it-{run}-{worker}" if run and worker else ""
        return f"seatrial-engine:{version}-{self.name}{suffix}"

    def check(self) -> None:
        """Raise PlatformError where its name is already another's: compose would take, or remove, what is not ours."""
        for each in self._containers(f"com.docker.compose.project={self.name}"):
            if each["Labels"].get("seatrial.platform") != self.name:
                raise PlatformError(
                    f"another compose project is called {self.name} (container {_name(each)}): give --project"
                )

    def _containers(self, label: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.wire.ask(
            "GET", "/containers/json", all=1, filters={"label": [label]}
        ).json()
        return listed

    @property
    def members(self) -> list[dict[str, Any]]:
        """What compose has made."""
        return [each for each in self._containers(self.label) if _SERVICE in each["Labels"]]

    def remove_games(self) -> None:
        """Remove what its rtmanager has made."""
        for each in self._containers(self.label):
            if _SERVICE not in each["Labels"]:
                self.wire.ask("DELETE", f"/containers/{each['Id']}", force=1, v=1)

    def remove_rest(self) -> None:
        """Remove whatever is left of it: the engine ends what it was making when compose was interrupted."""
        while left := list(sweep.things(self.wire, self.label, tags=False)):
            if not sweep.remove(self.wire, left):
                names = ", ".join(map(str, sweep.things(self.wire, self.label, tags=False)))
                if names:
                    raise PlatformError(
                        f"the engine does not let go of {names}: does another container use it?"
                    )


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
    project.check()
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
        "label": [project.label],
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
    members = project.members
    for each in members:
        status = str(each["Status"])
        if not status.startswith("Up") or "unhealthy" in status:
            raise PlatformError(
                f"{_service(each)} is not well ({status}): see `docker logs {_name(each)}`; "
                "`make down-docker` removes everything"
            )
    return all("(healthy)" in str(each["Status"]) for each in members)


def _service(container: Mapping[str, Any]) -> str:
    return str(container["Labels"][_SERVICE])


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Names"][0]).removeprefix("/")


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
    """Remove everything: games, containers, networks, tags, secrets, state. Raises PlatformError."""
    project.check()
    known = project.environment_file.exists()
    if known:
        project.compose("stop", "--timeout", "10")  # now nobody starts games any more
    project.remove_games()
    if known:
        project.compose("down", "--volumes", "--remove-orphans")
    project.remove_rest()
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
        (
            "logs",
            f"docker logs -f {next(_name(each) for each in project.members if _service(each) == 'lobby')}",
        ),
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
            image = {"image_ref": project.engine_tag(images.ENGINE_VERSIONS[0])}
            sys.stdout.write(json.dumps(addresses(project) | image, indent=4) + "\n")
        elif chosen.command == "down":
            down(project)
        else:
            _run(project, detach=chosen.detach)
    except SeatrialError as error:
        sys.stderr.write(f"seatrial: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("seatrial: interrupted; `make down-docker` removes what is left\n")
        return 130
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
