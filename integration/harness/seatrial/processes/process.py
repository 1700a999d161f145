"""A supervised process as a test holds it: synchronous, and safe to use until the end of the test."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import Literal

from seatrial.clock import Deadline
from seatrial.errors import NotReady, ProcessDied, SeatrialError, ServiceError, UnexpectedExit, WaitTimeout
from seatrial.processes import warmboot
from seatrial.processes.child import Child, ExitStatus
from seatrial.processes.listener import Address, Reservation, expand
from seatrial.processes.logfile import Allowed, LogFile
from seatrial.processes.notify import NotifySocket
from seatrial.processes.spawn import Launch, base_environment, spawn
from seatrial.processes.supervisor import MARKER, Supervisor
from seatrial.processes.verdict import Expectation, phase, story, unexpected_log, verdict
from seatrial.service import Service
from seatrial.timeline.faults import Faults
from seatrial.waiting import WATCH


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has just happened to a process: `kind` is a word, `detail` for a person, `fields` for a program."""

    process: str
    kind: str
    detail: str
    fields: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnContext:
    """Where and how one process of a service runs.

    `directory` is made when it is missing, and is the working directory unless the service has one of its own. The log
    at `log_path` is appended to. `environment` and `arguments` come after those of the service, and `boot` instead of the
    service's own. A process with scope "run" may outlive a test. `on_event` is called in the supervisor's thread and must
    not block.
    """

    directory: Path
    log_path: Path
    name: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    boot: warmboot.Mode | None = None
    scope: Literal["test", "run"] = "test"
    on_event: Callable[[Event], None] | None = None


class Process:
    """A process of a service. Every method may be called from any thread but the supervisor's."""

    def __init__(self, service: Service, context: SpawnContext) -> None:
        self.service = service
        self.name = context.name or service.name
        self.log = LogFile(context.log_path, service.log_format, service.log_alarms)
        self._context = context
        self._supervisor = Supervisor.current()
        self._allowed: list[Allowed] = []
        self._expected: Expectation | None = None
        self._past: list[SeatrialError] = []
        self._reservations: dict[str, Reservation] = {}
        self._faults = Faults(self.name)
        self._child: Child | None = None
        self._zygote: warmboot.Zygote | None = None
        self.boot = service.boot_mode(context.boot)
        """How it was booted: cold, or warm."""

    @classmethod
    def spawn(cls, service: Service, context: SpawnContext) -> "Process":
        """Start a process of `service` and return as soon as it exists; `wait_ready` waits for more.

        Raises `SpawnError` when its program cannot be run, and `ServiceError` when its description is wrong.
        """
        process = cls(service, context)
        try:
            for listener in service.listeners:
                if listener.kind != "reported":
                    process._reservations[listener.name] = Reservation(listener.host)
            process._start()
        except BaseException:
            process._release()
            raise
        return process

    def _start(self) -> None:
        service, context = self.service, self._context
        preload = service.preloaded() if self.boot == "warm" else None
        command = list(service.binary.command()) if preload is None else [preload.script]
        addresses = {name: reservation.address for name, reservation in self._reservations.items()}
        environment = base_environment(service.inherit)
        for listener in service.listeners:
            if listener.variable is not None:
                known = addresses.get(listener.name, Address(listener.host, 0))
                environment[listener.variable] = str(known)
        for name, value in {**service.environment, **context.environment}.items():
            environment[name] = expand(value, addresses)
        environment[MARKER] = self._supervisor.run_id
        command += [expand(argument, addresses) for argument in (*service.arguments, *context.arguments)]
        context.directory.mkdir(parents=True, exist_ok=True)
        self.log.path.parent.mkdir(parents=True, exist_ok=True)
        directory = (service.working_directory or context.directory).absolute()
        if not directory.is_dir():
            raise ServiceError(
                f"service {service.name}: its working directory {directory} does not exist; create it"
            )

        notify = NotifySocket(self._supervisor.directory / f"n{self._supervisor.unique()}")
        environment["NOTIFY_SOCKET"] = str(notify.path)
        output = os.open(self.log.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        passed = {
            each.name: self._reservations[each.name] for each in service.listeners if each.kind == "passed"
        }
        sockets = {}
        try:
            for each in service.listeners:
                if each.kind == "reserved":
                    self._reservations[each.name].share()
            sockets = {name: reservation.listen() for name, reservation in passed.items()}
            launch = Launch(
                name=self.name,
                command=command,
                environment=environment,
                directory=directory,
                output=output,
                sockets={name: listening.fileno() for name, listening in sockets.items()},
            )
            self._supervisor.run(self._launch(launch, preload, notify, addresses))
        except BaseException:
            notify.close()
            raise
        finally:
            # From here on only the child holds them: when it dies, connections are refused.
            os.close(output)
            for listening in sockets.values():
                listening.close()

    async def _launch(
        self,
        launch: Launch,
        preload: warmboot.Preload | None,
        notify: NotifySocket,
        addresses: Mapping[str, Address],
    ) -> None:
        self._supervisor.watch_over()
        child = Child(self.service, self.log, addresses, notify, self._child_changed)
        if preload is None:
            started = time.monotonic()
            pid = spawn(launch)
        else:
            zygotes, patience = self._supervisor.zygotes, self.service.boot_timeout
            self._zygote = await zygotes.get(self.service.name, preload, launch, patience)
            started = time.monotonic()
            pid = await self._zygote.fork(launch)
        # Not before: a child without a pid must never be signalled: to kill(2), 0 means the runner's own group.
        self._child = child
        child.start(pid, started, f"{' '.join(launch.command)} ({self.boot})")
        self._supervisor.own(self)
        self._supervisor.session_started(child.pid, self._context.scope)

    @property
    def _now(self) -> Child:
        if self._child is None:
            raise SeatrialError(f"{self.name} has not been started")
        return self._child

    def _child_changed(self, child: Child, kind: str, detail: str) -> None:
        if child is not self._child:
            return
        if self._context.on_event is not None:
            self._context.on_event(Event(self.name, kind, detail, self._facts(child, kind)))
        if kind == "exited" and child.asked is None and not self._declared(child):
            WATCH.report(self, story(self.name, child))
        else:
            WATCH.changed()
        if kind in ("ready", "exited") and self._zygote is not None and self._zygote.alive:
            self._zygote.replenish()

    def _facts(self, child: Child, kind: str) -> dict[str, object]:
        if kind == "spawned":
            return {"pid": child.pid, "boot": self.boot}
        if kind == "exited":
            return {"status": str(child.exit)}
        return {"took_s": round(time.monotonic() - child.started, 6)} if kind == "probe" else {}

    def _declared(self, child: Child) -> bool:
        return self._expected is not None and child.exit is not None and self._expected.met_by(child.exit)

    # What it is.

    def __repr__(self) -> str:
        return f"<Process {self.name} pid {self.pid} {self.state}>"

    @property
    def pid(self) -> int:
        """Its process id; that of its present life, after a restart."""
        return self._now.pid

    @property
    def state(self) -> str:
        """Where it is in its life: starting, ready, stopping or exited."""
        child = self._now
        if child.exit is not None:
            return "exited"
        if child.stopping:
            return "stopping"
        return "starting" if child.ready_after is None else "ready"

    @property
    def boot_time(self) -> float:
        """Seconds from spawn to ready; raises `NotReady` before."""
        if self._now.ready_after is None:
            raise NotReady(
                f"{self.name} is not ready yet, so that its boot time is not known; call wait_ready first"
            )
        return self._now.ready_after

    @property
    def exit_status(self) -> ExitStatus | None:
        """How it ended, or None while it runs."""
        return self._now.exit

    @property
    def status_text(self) -> str:
        """What it said last in a STATUS notification."""
        return self._now.status_text

    @property
    def malformed_notifications(self) -> tuple[str, ...]:
        """What was wrong with the datagrams that were ignored."""
        return tuple(self._now.malformed)

    def address(self, listener: str) -> Address:
        """Where `listener` can be reached; raises `NotReady` while a reported one is not known."""
        self.service.listener(listener)
        try:
            return self._now.address(listener)
        except KeyError:
            raise NotReady(
                f"{self.name} has not reported its listener {listener} yet; call wait_ready first"
            ) from None

    def url(self, listener: str, path: str = "") -> str:
        """`http://host:port` of `listener`, followed by `path`."""
        return f"http://{self.address(listener)}{path}"

    # What a test waits for.

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until it can serve, by default until its boot timeout (counted from its start) is over.

        Raises `ProcessDied` when it, or another child, ends instead, and `NotReady` when it is late or what it reported
        is wrong; the error holds its last status and the last lines of its log.
        """
        child = self._now
        spent = time.monotonic() - child.started
        deadline = Deadline(max(0.0, self.service.boot_timeout - spent) if timeout is None else timeout)

        def settled() -> bool:
            return child.ready_after is not None or child.failure is not None or child.exit is not None

        in_time = WATCH.wait_for(settled, deadline, besides=self)
        if child.exit is not None:
            raise ProcessDied(story(self.name, child))
        if child.failure is not None:
            raise NotReady(f"{self.name} (pid {child.pid}) is not ready: {child.failure}; {self.log.story()}")
        if not in_time:
            self.dump_stacks()
            raise NotReady(f"{self.name} (pid {child.pid}) still runs {phase(child)}; {self.log.story()}")

    def wait_exit(self, timeout: float = 10.0) -> ExitStatus:
        """Wait at most `timeout` seconds for its end. Raises `WaitTimeout`, or `ProcessDied` when another child dies."""
        child = self._now
        if (
            not WATCH.wait_for(lambda: child.exit is not None, Deadline(timeout), besides=self)
            or child.exit is None
        ):
            raise WaitTimeout(
                f"waited {timeout:g} s for {self.name} (pid {child.pid}) to end, but it is {self.state};"
                f" {self.log.story()}"
            )
        return child.exit

    # What a test does to it.

    async def _do(self, action: Callable[[], object]) -> None:
        action()

    def send_signal(self, number: Signals) -> None:
        """Send a signal to the process itself; if that ends it, `expect_exit` must say so."""
        self._supervisor.run(self._do(lambda: self._now.send(number)))

    def terminate(self) -> None:
        """Send the stop signal, once, and return at once."""
        self._supervisor.run(self._do(self._now.ask))

    def stop(self) -> ExitStatus:
        """Stop signal, and at the end of the stop timeout a stack dump and SIGKILL for its whole session.

        Returns when nothing of it is left. Whether this was a clean end is for `problems` to say.
        """
        child = self._now
        self._supervisor.run(child.stop())
        return self._ended(child)

    def kill(self) -> ExitStatus:
        """SIGKILL it and its session, and return when nothing of it is left."""
        child = self._now
        self._faults.begin("killed")
        self._supervisor.run(child.kill())
        return self._ended(child)

    def _ended(self, child: Child) -> ExitStatus:
        if child.exit is None:
            raise UnexpectedExit(
                f"{self.name} (pid {child.pid}) did not die of SIGKILL: is it stuck in the kernel?"
            )
        return child.exit

    def pause(self) -> None:
        """Suspend it and its session (SIGSTOP), as a machine that hangs; connections to it stay open."""
        self._faults.begin("paused")
        self._supervisor.run(self._now.pause())

    def resume(self) -> None:
        """End a `pause`."""
        self._supervisor.run(self._do(self._now.resume))
        self._faults.end("paused")

    def dump_stacks(self) -> None:
        """Have it write its stacks to its log, if its service has a `stack_dump_signal`."""
        self._supervisor.run(self._now.dump_stacks())

    def restart(self) -> None:
        """Stop it if it runs, start the same service again, and wait until it is ready.

        Passed and reserved listeners keep their addresses; a reported one gets a new address. The log goes on in the same
        file. What was wrong with its previous life is kept for `problems`.
        """
        self.stop()
        self._past += verdict(self.name, self._now, self._expected)
        self._expected = None
        WATCH.retract(self)
        self._supervisor.session_gone(self.pid)
        self._start()
        self.wait_ready()
        self._faults.end()

    # What a test declares, and what is wrong.

    def allow_log(self, pattern: str, level: str | None = None) -> None:
        """Warnings and errors in which `pattern` (a regular expression) is found may be logged, at `level` if given."""
        self._allowed.append(Allowed(pattern, level))

    def expect_exit(self, code: int | None = None, signal: Signals | None = None) -> None:
        """It must end by itself with `code`, or by `signal`; with neither it may end in any way, or not at all."""
        if code is not None and signal is not None:
            raise ServiceError("a process ends with a code or by a signal, not both; expect one of them")
        self._expected = Expectation(code, signal)
        if self._declared(self._now):
            WATCH.retract(self)

    def problems(self) -> tuple[SeatrialError, ...]:
        """What its test must hear about: ends that were not declared, needed kills, orphans, and unexpected log lines.

        Complete when the process has ended.
        """
        found = [*self._past, *verdict(self.name, self._now, self._expected)]
        found += unexpected_log(self.name, self.log, self._allowed)
        return tuple(found)

    # Its end.

    def close(self) -> None:
        """For teardown: stop it, let go of its ports, and end every complaint about it in waits; `problems` remain."""
        try:
            self._supervisor.run(self._now.stop())
        finally:
            self._release()

    def _release(self) -> None:
        WATCH.retract(self)
        for reservation in self._reservations.values():
            reservation.close()
        if self._child is not None:
            self._supervisor.session_gone(self._child.pid)
        self._supervisor.disown(self)

    async def end(self) -> None:
        """For the supervisor, when the runner ends: nothing of it may remain."""
        await self._now.kill()
