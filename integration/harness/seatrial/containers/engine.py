"""Engine: the container engine as the harness uses it, through docker's SDK, which is imported here and when it is needed."""

import contextlib
import functools
import hashlib
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from seatrial.containers import ownership, wire
from seatrial.containers.ownership import Owner
from seatrial.containers.wire import EngineError, EngineUnreachable, NotThere, Place
from seatrial.processes.supervisor import Supervisor

if TYPE_CHECKING:
    from docker import APIClient, DockerClient

__all__ = ["Engine", "EngineError", "EngineUnreachable", "ImageFacts", "NotThere"]

MINIMUM_API: Final = (1, 41)
"""The engine API of the oldest engine that is supported, 20.10."""
_ROOT: Final = str(Path(__file__).resolve().parents[2])
_SWEEPER: Final = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from seatrial.containers.sweep import main; main()"
)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image under one of its names; `created` is Unix time in seconds."""

    reference: str
    id: str
    created: float


class Engine:
    """The engine that DOCKER_HOST names, or that of the usual socket. Any thread may use it.

    Raises `EngineUnreachable` when none answers, and `EngineError` for one that is too old, or without docker's SDK.
    """

    _current: ClassVar[Self | None] = None
    _creation: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, place: Place | None = None) -> None:
        self.place = place or wire.find()
        self.wire = wire.Wire(self.place)
        pong = self.wire.ping()
        self.version = str(self.wire.ask("GET", "/version").json()["Version"])
        self.api_version = pong.headers["Api-Version"]
        if _numbers(self.api_version) < MINIMUM_API:
            raise EngineError(
                f"the container engine at {self.place.url} is {self.version} (API {self.api_version}): "
                f"at least 20.10 (API {'.'.join(map(str, MINIMUM_API))}) is needed; upgrade it"
            )
        said = pong.headers.get("Date")
        self._skew = parsedate_to_datetime(said).timestamp() - time.time() if said else 0.0
        self.api = self._client()
        self._tags: Counter[str] = Counter()
        self.at_end: list[Callable[[], object]] = []
        """What is called before the connections are closed."""

    @classmethod
    def current(cls) -> Self:
        """The engine of this process. At its first use in a run, what dead runs have left is swept away."""
        with cls._creation:
            if cls._current is None:
                engine = cls()
                engine.watch_over()
                engine.sweep_the_dead()
                cls._current = engine
            return cls._current

    @classmethod
    def active(cls) -> Self | None:
        """The engine of this process, if it has been used."""
        return cls._current

    @classmethod
    def forget(cls) -> None:
        """Close the connections to it; the next use finds it anew."""
        with cls._creation:
            engine, cls._current = cls._current, None
        if engine is not None:
            engine.close()

    @classmethod
    def forget_inherited(cls) -> None:
        """In a forked child: connections are not shared with a parent."""
        cls._current, cls._creation = None, threading.Lock()

    def close(self) -> None:
        """Close the connections to it."""
        for action in self.at_end:
            action()
        self.at_end.clear()
        self.api.close()

    def __repr__(self) -> str:
        return f"<Engine {self.version} at {self.place.url}>"

    def _client(self) -> "APIClient":
        try:
            from docker import APIClient
            from docker.constants import DEFAULT_DOCKER_API_VERSION
            from docker.tls import TLSConfig
        except ImportError as error:
            raise EngineError(f"{error}: install seatrial[containers]") from None
        folder = self.place.certificates
        tls = (
            TLSConfig(
                client_cert=(f"{folder}/cert.pem", f"{folder}/key.pem"),
                ca_cert=f"{folder}/ca.pem",
                verify=True,
            )
            if folder
            else False
        )
        with self.translated("a connection"):
            # The newest version that both know, without asking the engine once more.
            version = min(DEFAULT_DOCKER_API_VERSION, self.api_version, key=_numbers)
            return APIClient(self.place.url, version=version, timeout=int(wire.TIMEOUT_S), tls=tls)

    @functools.cached_property
    def client(self) -> "DockerClient":
        """The SDK's client, for what the nouns do not offer; the leak audit sees of what it makes only what bears `labels`."""
        import docker

        client = docker.DockerClient.__new__(docker.DockerClient)
        client.api = self.api
        return client

    @property
    def owner(self) -> Owner:
        """In whose name this process makes things."""
        return ownership.owner()

    @property
    def identity(self) -> str:
        """A name for this engine's images, to be used in paths."""
        return hashlib.sha256(self.place.url.encode()).hexdigest()[:8]

    @property
    def now(self) -> float:
        """The engine's clock, in Unix seconds, to within a second."""
        return time.time() + self._skew

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Turn the SDK's errors about `what` into the harness' own."""
        from docker.errors import APIError, DockerException, NotFound
        from requests.exceptions import RequestException

        try:
            yield
        except NotFound as error:
            raise NotThere(f"{what}: {error.explanation or error}") from None
        except APIError as error:
            raise EngineError(f"{what}: the engine refuses: {error.explanation or error}") from None
        except (DockerException, RequestException) as error:
            raise EngineError(f"{what}: the engine at {self.place.url} was lost: {error}") from None

    # Images

    def image_id(self, reference: str) -> str | None:
        """The id of an image that is there; None when it is not."""
        try:
            return str(self.wire.ask("GET", f"/images/{reference}/json").json()["Id"])
        except NotThere:
            return None

    def images(self, repository: str, label: str) -> list[ImageFacts]:
        """The images `repository:*` that have a label."""
        listed = self.wire.ask("GET", "/images/json", filters={"label": [label], "reference": [repository]})
        return [
            ImageFacts(reference, str(each["Id"]), float(each["Created"]))
            for each in listed.json()
            for reference in each["RepoTags"] or ()
            if reference.rpartition(":")[0] == repository
        ]

    def remove_image(self, reference: str) -> bool:
        """Remove a name of an image, and the image with its last name; False when a container still uses it."""
        try:
            self.wire.ask("DELETE", f"/images/{reference}")
        except NotThere:
            return True
        except EngineError:
            return False
        return True

    def pull(self, reference: str) -> None:
        """Get an image from its registry; raises `EngineError` with what the registry, or the network, said."""
        name, _, tag = (
            reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (reference, "", "latest")
        )
        with self.translated(f"pulling {reference}"):
            for line in self.api.pull(name, tag=tag, stream=True, decode=True):
                if "error" in line:
                    raise EngineError(f"pulling {reference}: {line['error']}")

    @contextmanager
    def tagged(self, image: str, repository: str, version: str) -> Iterator[str]:
        """A name for an image that no other run and no person uses: `repository:version-it-...`; gone at the end.

        Of several who ask for one name at the same time, the last to leave removes it.
        """
        tag = self.owner.tag(version)
        reference = f"{repository}:{tag}"
        with self.translated(f"tagging {image}"):
            self.api.tag(image, repository, tag)
        self._tags[reference] += 1
        try:
            yield reference
        finally:
            self._tags[reference] -= 1
            if not self._tags[reference]:
                with self.translated(f"removing the tag {reference}"):
                    self.api.remove_image(reference, force=True)

    # Clean-up

    def watch_over(self) -> None:
        """See to it that what this process made goes with it: by `end` when it ends, by the warden when it is killed."""
        supervisor = Supervisor.current()
        supervisor.own(self)
        owner = self.owner
        settings = {"url": self.place.url, "certificates": self.place.certificates}
        told = json.dumps({**settings, "run": str(owner.run), "worker": str(owner.worker)})
        supervisor.last_will([sys.executable, "-I", "-S", "-c", _SWEEPER, _ROOT, told])

    async def end(self) -> None:
        """For the supervisor, when the runner ends: nothing of it may remain."""
        from seatrial.containers.sweep import of, remove

        type(self).forget()
        with contextlib.suppress(EngineError):
            remove(self.wire, of(self.owner, self.wire), at_once=1)

    def sweep_the_dead(self) -> None:
        """Remove what dead runs of this machine have left."""
        from seatrial.builds.progress import progress
        from seatrial.containers.sweep import sweep_dead

        removed = sweep_dead(self.wire)
        if removed:
            progress.say(f"swept what dead runs had left: {', '.join(map(str, removed))}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


os.register_at_fork(after_in_child=Engine.forget_inherited)
