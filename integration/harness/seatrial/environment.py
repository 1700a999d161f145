"""Environment: what a test holds, and what is taken down after it, all of it, every time."""

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from seatrial import waiting
from seatrial.errors import LeakError, SeatrialError
from seatrial.home import Folder, Home
from seatrial.leaks import LeakAudit
from seatrial.processes.process import Event as ProcessEvent
from seatrial.processes.process import Process, SpawnContext
from seatrial.processes.supervisor import Supervisor
from seatrial.processes.warmboot import Mode, mode_of_run
from seatrial.results.reports import write_atomically
from seatrial.service import Service
from seatrial.started import LogPart, Started, addresses
from seatrial.stores.shelf import Shelf
from seatrial.teardown import Teardown, remove_tree, stop_order
from seatrial.timeline.event import Event
from seatrial.timeline.merging import merged, of_log
from seatrial.timeline.steps import steps
from seatrial.timeline.timeline import Timeline, running

if TYPE_CHECKING:
    from seatrial.containers.container import Container
    from seatrial.containers.dock import Dock
    from seatrial.containers.image import ContainerImage
    from seatrial.containers.network import Network
    from seatrial.containers.spec import ContainerOptions
    from seatrial.containers.volume import Volume
    from seatrial.network.proxy import Proxy
    from seatrial.network.stub import HttpStub
    from seatrial.processes.listener import Address
    from seatrial.stores.postgres import Postgres
    from seatrial.stores.postgres_server import PostgresServer
    from seatrial.stores.store import Store
    from seatrial.stores.valkey import Valkey
    from seatrial.worker import Worker

T = TypeVar("T")
S = TypeVar("S", bound="HttpStub")


class Environment:
    """Processes, stores, stubs and proxies of one test. Nothing is made before it is asked for.

    In a test it is the fixture `environment`; elsewhere `Environment.open` makes one.
    """

    def __init__(self, name: str, home: Home, worker: "Worker", timeline: Timeline | None = None) -> None:
        self.name = name
        self.timeline = timeline or Timeline(recording=False)
        self.timeline.name_of = self._name_of
        self._home = home
        self._worker = worker
        self._audit = LeakAudit()
        self._before = self._audit.snapshot()
        self._started: dict[str, Started] = {}
        self._shelf = Shelf(worker, lambda: self.directory, self._unique, self._on_event)
        self._stubs: list[HttpStub] = []
        self._proxies: list[Proxy] = []
        self._checks: list[tuple[Callable[[], object], bool]] = []
        self._gathered: list[tuple[str, Callable[[], object]]] = []
        self._dock: Dock | None = None
        self._directory: Path | None = None
        self._closed = False

    @classmethod
    @contextlib.contextmanager
    def open(
        cls,
        name: str = "environment",
        artifacts: Path | None = None,
        *,
        check: bool = True,
        timeline: Path | None = None,
    ) -> Iterator[Self]:
        """An environment outside pytest, for a bench or a person.

        `artifacts` is the directory of the logs; without one they vanish at the end. At the end all checks run
        and what they found is raised as one `TeardownErrors`, unless `check` is false. `timeline` is the file that gets
        the timeline, as JSON lines; without one nothing is recorded.
        """
        from seatrial.worker import Worker

        with ExitStack() as stack:
            home = artifacts or Supervisor.current().temporary_directory("logs", scope="run")
            if artifacts is None:
                stack.callback(shutil.rmtree, home, ignore_errors=True)
            worker = Worker()
            stack.callback(worker.close)
            environment = cls(name, Folder(home), worker, Timeline(recording=timeline is not None))
            stack.enter_context(running(environment.timeline))
            if timeline is not None:
                stack.callback(environment._write_timeline, timeline)
            try:
                yield environment
            except BaseException as error:
                teardown = environment.close()
                for problem in teardown.errors:
                    error.add_note(f"and at the end of {name}: {problem}")
                raise
            teardown = environment.close()
            teardown.raise_all(name, check=check)

    # Processes

    def spawn(
        self,
        service: Service,
        *,
        name: str | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        boot: Mode | None = None,
    ) -> Process:
        """Start a process and do not wait for it. `environment` and `arguments` come on top of the service's.

        It boots as the service says, or as `boot` does: a test of boot, configuration or signals boots cold. All are cold
        in a run with `SEATRIAL_BOOT=cold`.
        A second process of a service is called `<service>-2`, unless a `name` is given; raises SeatrialError
        for a name that is taken, and SpawnError when the program cannot be started.
        """
        unique = self._unique(service.name, name)
        variables = {**(service.observed if self.timeline.recording else {}), **(environment or {})}
        context = SpawnContext(
            directory=self.directory / unique,
            log_path=self.artifacts / f"{unique}.log",
            name=unique,
            environment=variables,
            arguments=arguments,
            boot="cold" if mode_of_run() == "cold" else boot,
            on_event=self._on_event,
        )
        process = Process.spawn(service, context)
        self._started[unique] = Started(
            process, {**service.environment, **variables}, (*service.arguments, *arguments)
        )
        return process

    def start(
        self,
        service: Service,
        *,
        name: str | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        boot: Mode | None = None,
    ) -> Process:
        """Start a process and wait until it is ready; raises as `spawn` and `Process.wait_ready` do."""
        process = self.spawn(service, name=name, environment=environment, arguments=arguments, boot=boot)
        process.wait_ready()
        return process

    def start_all(self, *services: Service) -> tuple[Process, ...]:
        """Start processes together and wait until all are ready: it takes as long as the slowest one."""
        processes = tuple(self.spawn(service) for service in services)
        for process in processes:
            process.wait_ready()
        return processes

    @property
    def processes(self) -> tuple[Process, ...]:
        """Everything started with `spawn`, `start` and `start_all`, in that order."""
        return tuple(started.process for started in self._started.values())

    @property
    def started(self) -> Mapping[str, Started]:
        """The same by name, with what each was told."""
        return MappingProxyType(self._started)

    # Stores, stubs, proxies

    @property
    def valkey(self) -> "Store":
        """This worker's Valkey, empty: proven at the first use in a test. It is not to be killed; see `own_valkey`."""
        return self._shelf.valkey

    def own_valkey(self, *, persistent: bool = False, name: str = "own-valkey") -> "Valkey":
        """A Valkey of this test alone, started, which may be stopped, killed, paused and configured at will."""
        return self._shelf.own_valkey(name, persistent=persistent)

    @property
    def postgres(self) -> "Postgres":
        """This worker's PostgreSQL; `database` gives a new database. It is not to be killed; see `own_postgres`."""
        return self._shelf.postgres

    def own_postgres(
        self, *, settings: Mapping[str, str] | None = None, name: str = "own-postgres"
    ) -> "PostgresServer":
        """A PostgreSQL server of this test alone, started, which may be stopped, killed and paused at will."""
        return self._shelf.own_postgres(name, settings or {})

    def stub(self, stub: S) -> S:
        """Start a stub of an external system; what it is sent that it should not be sent fails the test."""
        self._stubs.append(stub)
        stub.start()
        return stub

    def proxy(self, target: "Address | Path", *, name: str | None = None) -> "Proxy":
        """A proxy in front of an address, or of the path of a Unix socket, which can break the network between two processes.

        It is called `name` in the timeline, by default after what is behind it.
        """
        from seatrial.network.proxy import Proxy

        proxy = Proxy(target, name=name or f"proxy to {self._name_of(str(target)) or target}")
        self._proxies.append(proxy)
        return proxy.start()

    @property
    def stubs(self) -> "tuple[HttpStub, ...]":
        """Every stub started with `stub`, in that order."""
        return tuple(self._stubs)

    @property
    def stores(self) -> "tuple[Store | Postgres, ...]":
        """Every store in use, the worker's included."""
        return self._shelf.all

    # Containers

    @property
    def engine(self) -> "Dock":
        """The container engine, what this test has in it, and what makes others' containers the test's.

        Raises `EngineUnreachable` when there is none; nothing of it is imported before.
        """
        if self._dock is None:
            from seatrial.containers.dock import Dock

            self._dock = Dock(lambda: self.artifacts, self._unique, self._on_event)
        return self._dock

    def container(self, image: "str | ContainerImage", **options: Unpack["ContainerOptions"]) -> "Container":
        """Start a container and wait until it is ready; the options are the fields of `ContainerSpec`."""
        return self.engine.container(image, **options)

    def network(self, name: str | None = None, *, internal: bool = False) -> "Network":
        """A network of this test, in which containers find each other by name; an `internal` one has no way out."""
        return self.engine.network(name, internal=internal)

    def volume(self, name: str | None = None) -> "Volume":
        """A volume of this test."""
        return self.engine.volume(name)

    # The test's own

    @property
    def directory(self) -> Path:
        """A temporary directory of this test, removed at its end."""
        if self._directory is None:
            self._directory = Supervisor.current().temporary_directory("test")
        return self._directory

    @property
    def artifacts(self) -> Path:
        """The directory that is kept when the test fails."""
        return self._home.path

    def until(self, what: str, condition: Callable[[], T], timeout: float = 5.0) -> T:
        """As `seatrial.until`."""
        return waiting.until(what, condition, timeout)

    def step(self, text: str) -> AbstractContextManager[None]:
        """Name a part of the test, for its timeline."""
        return steps(self.timeline, text)

    def on_teardown(self, check: Callable[[], object], *, after_stop: bool = False) -> None:
        """Run a check when the test ends, the last one first; what it raises fails the test.

        Checks run while everything is still up, or once all processes have stopped.
        """
        self._checks.append((check, after_stop))

    def gather(self, what: str, tell: Callable[[], object]) -> None:
        """Have something told for the timeline when all processes have stopped and the stores still serve.

        What `tell` raises is told instead, and fails nothing. It is not called when no timeline is recorded.
        """
        self._gathered.append((what, tell))

    # The end

    def told(self) -> list[Event]:
        """The timeline so far, with the lines of all logs in it."""
        logs = (of_log(self.timeline, name, part.records()) for name, part in self.logs().items())
        return merged(self.timeline, *logs)

    def logs(self) -> dict[str, LogPart]:
        """What every process logged in this test, by its name; the stores' logs included."""
        found = {name: LogPart(started.process.log) for name, started in self._started.items()}
        found.update({name: LogPart(log, since) for name, (log, since) in self._shelf.logs().items()})
        if self._dock is not None:
            found.update({name: LogPart(log) for name, log in self._dock.logs().items()})
        return found

    def close(self) -> Teardown:
        """Take everything down and check it. Raises nothing: what is wrong is in the answer. Idempotent."""
        teardown = Teardown()
        if self._closed:
            return teardown
        self._closed = True
        self._run_checks(teardown, after_stop=False)
        self._stop_processes(teardown)
        self._gather()
        self._close_parts(teardown)
        if self._dock is not None:
            self._dock.close(teardown)
        self._run_checks(teardown, after_stop=True)
        if self._directory is not None:
            teardown.attempt(
                "removing the temporary directory", functools.partial(remove_tree, self._directory)
            )
        leaks = teardown.attempt("looking for leaks", lambda: self._audit.leaks(self._before))
        if leaks:
            teardown.add([LeakError(leaks)])
        return teardown

    def _run_checks(self, teardown: Teardown, *, after_stop: bool) -> None:
        for check, late in reversed(self._checks):
            if late is after_stop:
                teardown.attempt("a check at teardown", check)

    def _stop_processes(self, teardown: Teardown) -> None:
        places = {name: addresses(started.process) for name, started in self._started.items()}
        for proxy in self._proxies:
            # Whoever talks to the proxy uses what lies behind it
            for known in places.values():
                if str(proxy.target) in known:
                    known.append(str(proxy.address))
        texts = {name: started.text for name, started in self._started.items()}
        for layer in stop_order(texts, places):
            processes = [self._started[name].process for name in layer]
            for process in processes:
                teardown.attempt(f"ending {process.name}", process.terminate)
            for process in processes:
                teardown.attempt(f"stopping {process.name}", process.close)
        for process in reversed(self.processes):
            teardown.add(teardown.attempt(f"judging {process.name}", process.problems))

    def _gather(self) -> None:
        for what, tell in self._gathered if self.timeline.recording else ():
            try:
                tell()
            except Exception as error:  # noqa: BLE001  (the store may be what the test broke)
                self.timeline.record("test", "gap", f"{what}: {error!r}")

    def _close_parts(self, teardown: Teardown) -> None:
        for stub in reversed(self._stubs):
            teardown.add(teardown.attempt(f"judging {stub.name}", stub.problems))
            teardown.attempt(f"stopping {stub.name}", stub.close)
        for proxy in reversed(self._proxies):
            teardown.attempt(f"stopping {proxy}", proxy.close)
        self._shelf.close(teardown)

    def _unique(self, base: str, wanted: str | None) -> str:
        taken = {
            *self._started,
            *self._shelf.names,
            *(self._dock.names if self._dock else ()),
        }
        if wanted is not None:
            if wanted in taken:
                raise SeatrialError(
                    f"{self.name} has a process called {wanted!r} already (choose another name)"
                )
            return wanted
        number = 1
        while (name := base if number == 1 else f"{base}-{number}") in taken:
            number += 1
        return name

    def _write_timeline(self, file: Path) -> None:
        write_atomically(file, "".join(map(self.timeline.line, self.told())))

    def _on_event(self, event: ProcessEvent) -> None:
        self.timeline.record(event.process, event.kind, event.detail, **event.fields)

    def _name_of(self, address: str) -> str | None:
        """What listens at an address: the latest process, for a port may be used again, else a stub, proxy or store."""
        for name, started in reversed(self._started.items()):
            if address in addresses(started.process):
                return name
        stubs = {str(stub.address): stub.name for stub in self._stubs}
        proxies = {str(proxy.address): proxy.name for proxy in self._proxies}
        return (stubs | proxies).get(address)
