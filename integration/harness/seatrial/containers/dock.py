"""Dock: what one test has in the container engine, made by itself or by others in its name."""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from seatrial.containers.container import Container
from seatrial.containers.engine import Engine, EngineError, NotThere
from seatrial.containers.handle import ContainerHandle
from seatrial.containers.network import Network
from seatrial.containers.ownership import SCOPE_LABEL
from seatrial.containers.spec import ContainerOptions, ContainerSpec
from seatrial.containers.sweep import Thing, of, remove
from seatrial.containers.volume import Volume
from seatrial.errors import SeatrialError
from seatrial.failures.masking import mask_environment
from seatrial.processes.logfile import Allowed, LogFile
from seatrial.processes.process import Event
from seatrial.processes.supervisor import Supervisor
from seatrial.processes.verdict import unexpected_log
from seatrial.teardown import Teardown

if TYPE_CHECKING:
    from docker import DockerClient

    from seatrial.containers.image import ContainerImage

_INVENTORY = "containers.json"


class Dock:
    """The container engine as a test holds it: `environment.engine`.

    `labels` makes things the test's: whoever writes them on a container, a network or a volume makes it in the test's name.
    The leak audit finds such things, a failed test keeps their logs, and if the runner is killed they go with it.
    """

    def __init__(
        self,
        artifacts: Callable[[], Path],
        unique: Callable[[str, str | None], str],
        on_event: Callable[[Event], None],
    ) -> None:
        self._engine = Engine.current()
        self._artifacts = artifacts
        self._unique = unique
        self._on_event = on_event
        self._before = {each.id for each in self._things()}
        self._made: dict[str, Container] = {}
        self._networks: list[Network] = []
        self._volumes: list[Volume] = []
        self._guests: dict[str, LogFile] = {}
        self._inventory: dict[str, object] = {}
        self._adopting = False
        self._judged: tuple[Literal["json", "plain"], Sequence[Allowed]] | None = None

    # What the test makes.

    def container(self, image: "str | ContainerImage", **options: Unpack[ContainerOptions]) -> Container:
        """As `Environment.container`."""
        container = self.create(image, **options)
        container.start()
        container.wait_ready()
        return container

    def create(self, image: "str | ContainerImage", **options: Unpack[ContainerOptions]) -> Container:
        """A container that is not started yet: `start` it, and `wait_ready`."""
        spec = ContainerSpec(image=image, **options)
        name = self._unique(spec.base_name, spec.name or None)
        container = Container(
            self._engine,
            spec,
            name=name,
            engine_name=self._name(name),
            log_path=self._artifacts() / f"{name}.log",
            labels=self.labels,
            on_event=self._on_event,
        )
        self._made[name] = container
        return container

    def network(self, name: str | None = None, *, internal: bool = False) -> Network:
        """As `Environment.network`."""
        network = Network(self._engine, name or self._name("network"), internal=internal)
        self._networks.append(network)
        return network

    def volume(self, name: str | None = None) -> Volume:
        """As `Environment.volume`."""
        volume = Volume(self._engine, name or self._name("volume"))
        self._volumes.append(volume)
        return volume

    def tagged(self, image: str, repository: str, version: str) -> AbstractContextManager[str]:
        """For a while, a name for an image that only this test uses: `repository:version-it-...`, a pre-release for semver."""
        return self._engine.tagged(image, repository, version)

    def _name(self, base: str) -> str:
        return f"seatrial-{self._engine.owner.key}-{Supervisor.current().unique()}-{base}"

    # What others make in its name.

    @property
    def labels(self) -> dict[str, str]:
        """What makes things the test's."""
        return self._engine.owner.labels()

    @property
    def labels_text(self) -> str:
        """The same as `name=value,name=value`, for a service that takes labels from a variable."""
        return ",".join(f"{name}={value}" for name, value in self.labels.items())

    def containers(self, labels: Mapping[str, str] | None = None) -> tuple[ContainerHandle, ...]:
        """The containers of this test, whoever made them, running or not: those that have all these labels."""
        wanted = (labels or {}).items()
        mine = {container.id: container for container in self._made.values()}
        return tuple(
            mine.get(each.id) or ContainerHandle(self._engine, each.id, each.name)
            for each in self._new()
            if each.kind == "container" and wanted <= each.labels.items()
        )

    def adopt(
        self, *, log_format: Literal["json", "plain"] | None = None, allow_log: Sequence[str] = ()
    ) -> None:
        """What others make in this test's name is removed at its end, without complaint. Otherwise it is a leak.

        With a `log_format`, the logs of such containers are judged as well: warnings that no pattern of `allow_log` covers fail
        the test.
        """
        self._adopting = True
        if log_format is not None:
            self._judged = (log_format, [Allowed(pattern) for pattern in allow_log])

    # The engine itself.

    @property
    def engine(self) -> Engine:
        """The engine of this process."""
        return self._engine

    @property
    def client(self) -> "DockerClient":
        """The SDK's client; what it makes is the test's if it bears `labels`."""
        return self._engine.client

    @property
    def names(self) -> set[str]:
        """The names of its containers."""
        return set(self._made)

    def _things(self) -> list[Thing]:
        found = of(self._engine.owner, self._engine.wire, tags=False)
        return [each for each in found if each.labels.get(SCOPE_LABEL) != "run"]

    def _new(self) -> list[Thing]:
        return [each for each in self._things() if each.id not in self._before]

    # The end.

    def logs(self) -> dict[str, LogFile]:
        """The logs of all its containers by name, as far as they have been written."""
        with contextlib.suppress(EngineError):  # an engine that was lost is told elsewhere
            self._collect()
        return {**{name: made.log for name, made in self._made.items()}, **self._guests}

    def _collect(self) -> None:
        """Keep what only the engine knows, and will forget: the logs of others' containers, and the state of all."""
        for each in self.containers():
            with contextlib.suppress(NotThere):
                self._inventory[each.name] = _shown(each.inspect())
                if isinstance(each, Container):
                    continue
                log = self._guests.get(each.name)
                if log is None:
                    log = LogFile(
                        self._artifacts() / f"{each.name}.log", self._judged[0] if self._judged else "json"
                    )
                    self._guests[each.name] = log
                log.path.write_text(each.output(), encoding="utf-8")
        if self._inventory:
            path = self._artifacts() / _INVENTORY
            path.write_text(json.dumps(self._inventory, indent=2) + "\n", encoding="utf-8")

    def close(self, teardown: Teardown) -> None:
        """Judge and remove everything; what is wrong goes into `teardown`."""
        teardown.attempt("looking at the containers", self._collect)
        for container in reversed(self._made.values()):
            teardown.attempt(f"ending {container.name}", container.terminate)
        for container in reversed(self._made.values()):
            teardown.attempt(f"removing {container.name}", container.close)
            teardown.add(teardown.attempt(f"judging {container.name}", container.problems))
        teardown.add(teardown.attempt("judging the containers of others", self._problems_of_guests))
        if self._adopting:
            teardown.attempt("removing the containers of others", self._remove_guests)
        for network in reversed(self._networks):
            teardown.attempt(f"removing {network}", network.remove)
        for volume in reversed(self._volumes):
            teardown.attempt(f"removing {volume}", volume.remove)

    def _problems_of_guests(self) -> list[SeatrialError]:
        if self._judged is None:
            return []
        allowed = self._judged[1]
        return [error for name, log in self._guests.items() for error in unexpected_log(name, log, allowed)]

    def _remove_guests(self) -> None:
        mine = {*(network.name for network in self._networks), *(volume.name for volume in self._volumes)}
        remove(self._engine.wire, [each for each in self._new() if each.name not in mine])


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    """What an engine says of a container, without its secrets."""
    variables = dict(line.partition("=")[::2] for line in document["Config"]["Env"] or ())
    document["Config"]["Env"] = [f"{name}={value}" for name, value in mask_environment(variables).items()]
    return document
