"""What a test of this suite holds."""

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from docker import APIClient
from docker.errors import NotFound
from servicekit.testing.waiting import wait_until

from rtmanager.containers import DEPLOYMENT, GAME_ID
from suite.dockerproxy import DockerProxy
from suite.engines import ask, build_broken, build_odd
from suite.inprocess import Manager
from suite.process import Process
from suite.stores import Stores, image

PATIENCE_S: Final = 30.0


class Tagger(Protocol):
    """The harness' engine, as far as it is used here."""

    owner: Any

    def tagged(self, image: str, repository: str, version: str) -> AbstractContextManager[str]:
        """A tag of this run's own."""
        ...


class Dock(Protocol):
    """The harness' `environment.engine`, as far as it is used here."""

    labels: dict[str, str]
    engine: Tagger

    def adopt(self) -> None:
        """Remove at the end what others make in this test's name."""
        ...


class Harness(Protocol):
    """The fixture `environment` of the harness' plugin, as far as it is used here."""

    engine: Dock
    artifacts: Path

    def network(self) -> Any:
        """A network of this test."""
        ...


@dataclass(frozen=True)
class Engines:
    """Image references of this run's own."""

    base: str
    first: str
    patched: str


class World:
    """Docker, stores, images, a network and a state root of the test's own, and rtmanagers."""

    def __init__(self, harness: Harness, stores: Stores, client: APIClient, stack: ExitStack) -> None:
        self.harness = harness
        self.stores = stores
        self.docker = client
        self._stack = stack
        harness.engine.adopt()
        self.labels: Mapping[str, str] = harness.engine.labels
        self.network: str = harness.network().name
        self.deployment = self.network
        self.state_root = harness.artifacts / "state"  # kept when the test fails
        base = image("ENGINE")
        tagged = harness.engine.engine.tagged
        self.engines = Engines(
            base,
            stack.enter_context(tagged(base, "seatrial-engine", "1.4.0")),
            stack.enter_context(tagged(base, "seatrial-engine", "1.4.1")),
        )
        self.folder = Path(stack.enter_context(_short_folder()))
        self._games = 0

    def game(self) -> str:
        """A game's id that no other test of any run has."""
        self._games += 1
        return f"{self.network[-24:].strip('-')}-{os.getpid()}-{self._games}"

    def variables(self, **changes: str) -> dict[str, str]:
        """rtmanager's configuration; ``changes`` without the prefix."""
        usual = {
            "POSTGRES_DSN": self.stores.postgres_dsn,
            "REDIS_URL": self.stores.redis_url,
            "NETWORK": self.network,
            "STATE_ROOT": str(self.state_root),
            "DEPLOYMENT": self.deployment,
            "CONTAINER_LABELS": ",".join(f"{name}={value}" for name, value in self.labels.items()),
            "INSTANCE_ID": "suite",
            "HTTP_ADDR": "127.0.0.1:0",
            "ADMIN_ADDR": "127.0.0.1:0",
            "BLOCK_MS": "200",
            "RESUME_INTERVAL_MS": "100",
            "INSPECT_INTERVAL_MS": "300",
            "RECONCILE_INTERVAL_MS": "500",
            "PROBE_INTERVAL_MS": "5000",
            "PROBE_TIMEOUT_MS": "1000",
            "GRACE_MS": "2000",
        }
        return {f"RTMANAGER_{name}": value for name, value in (usual | changes).items()}

    def manager(self, **changes: str) -> Manager:
        """A running rtmanager in this process, until the end of the test."""
        return self._stack.enter_context(Manager(self.variables(**changes)))

    @contextmanager
    def lifetime(self, **changes: str) -> Iterator[Manager]:
        """An rtmanager in this process that ends before the test does."""
        with Manager(self.variables(**changes)) as manager:
            yield manager

    def forget_image(self, reference: str) -> None:
        """Remove the name of an image at the end, if there is one by then."""

        def remove() -> None:
            with suppress(NotFound):
                self.docker.remove_image(reference, force=True)

        self._stack.callback(remove)

    def process(self, **changes: str) -> Process:
        """An rtmanager to be started and killed."""
        process = Process(self.variables(**changes), self.harness.artifacts)
        self._stack.callback(process.kill)
        return process

    def proxy(self) -> DockerProxy:
        """A proxy before Docker's socket, until the end of the test."""
        return self._stack.enter_context(DockerProxy(self.folder))

    def odd_engine(self) -> str:
        """An engine that misbehaves on demand."""
        return self._built("odd", build_odd)

    def broken_engine(self) -> str:
        """An engine that ends at once."""
        return self._built("broken", build_broken)

    def _built(self, name: str, build: Any) -> str:
        reference = f"seatrial-engine-{name}:{self.engines.first.rpartition(':')[2]}"
        build(self.docker, self.engines.base, reference, dict(self.labels))
        self._stack.callback(self.docker.remove_image, reference, force=True)
        return reference

    # Jobs and what comes of them.

    def start_job(self, game_id: str, image_ref: str, requested_at_ms: int | None = None) -> str:
        """Write a start job; gives its entry's id."""
        when = str(requested_at_ms or time.time_ns() // 1_000_000)
        return self.stores.add(
            "runtime:start_jobs", game_id=game_id, image_ref=image_ref, requested_at_ms=when
        )

    def stop_job(self, game_id: str, requested_at_ms: int | None = None) -> str:
        """Write a stop job; gives its entry's id."""
        when = str(requested_at_ms or time.time_ns() // 1_000_000)
        return self.stores.add("runtime:stop_jobs", game_id=game_id, reason="cancelled", requested_at_ms=when)

    def results(self, count: int) -> list[tuple[str, str, str]]:
        """Wait for so many results; gives operation, outcome and code of each, which must be all."""
        found = self.stores.wait_stream("runtime:job_results", count)
        assert len(found) == count, found
        return [(each["operation"], each["outcome"], each["error_code"]) for each in found]

    def health(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Wait for so many health events; gives type and details of each, which must be all."""
        found = self.stores.wait_stream("runtime:health_events", count)
        assert len(found) == count, found
        return [(each["event_type"], json.loads(each["details"])) for each in found]

    def settled(self) -> None:
        """Wait until nothing is to be done and all that was written has left."""

        def idle() -> bool:
            (left,) = self.stores.rows(
                "SELECT (SELECT count(*) FROM operations WHERE status IN ('queued', 'running')) AS operations, "
                "(SELECT count(*) FROM outbox WHERE sent_at IS NULL) AS messages"
            )
            return not left["operations"] and not left["messages"]

        wait_until("nothing is to be done", idle, timeout=PATIENCE_S)

    def until(self, what: str, condition: Callable[[], object]) -> None:
        """Wait until it is so."""
        wait_until(what, condition, timeout=PATIENCE_S)

    def looked_again(self, manager: Manager) -> None:
        """Have everything compared twice more: what would be told twice has been told then."""
        manager.look_again()
        manager.look_again()
        self.settled()

    def lease_left_ms(self, game_id: str) -> int:
        """How long the lease of a game is from its end, in milliseconds; negative if there is none."""
        return int(self.stores.command("PTTL", f"rtmanager:lease:{game_id}"))

    # Containers.

    def containers(self, game_id: str) -> list[dict[str, Any]]:
        """Every container of a game."""
        labels = [f"{DEPLOYMENT}={self.deployment}", f"{GAME_ID}={game_id}"]
        listed = self.docker.containers(all=True, filters={"label": labels})
        found = []
        for each in listed:
            try:
                found.append(self.docker.inspect_container(each["Id"]))
            except NotFound:
                continue
        return found

    def container(self, game_id: str) -> dict[str, Any]:
        """The only container of a game."""
        (found,) = self.containers(game_id)
        return found

    def ask(self, game_id: str, path: str) -> None:
        """Send a GET to the engine of a game."""
        ask(self.container(game_id)["NetworkSettings"]["Networks"][self.network]["IPAddress"], path)


def _short_folder() -> AbstractContextManager[str]:
    return tempfile.TemporaryDirectory(prefix="rtm-")  # a socket's path has 108 bytes at most
