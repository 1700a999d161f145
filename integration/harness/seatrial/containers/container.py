"""A container as a test holds it: synchronous, told by the engine's events, judged at its end as a process is."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from seatrial.clock import Deadline
from seatrial.containers.engine import Engine, EngineError, NotThere
from seatrial.containers.events import EngineEvent, EventStream
from seatrial.containers.handle import ContainerHandle
from seatrial.containers.logpump import LogPump
from seatrial.containers.spec import ContainerSpec
from seatrial.containers.verdict import ContainerExit, Expected, judged, story
from seatrial.errors import NotReady, ProcessDied, SeatrialError, WaitTimeout, shortened
from seatrial.processes.listener import Address
from seatrial.processes.logfile import Allowed, LogFile
from seatrial.processes.process import Event
from seatrial.processes.verdict import unexpected_log
from seatrial.timeline.faults import Faults
from seatrial.waiting import WATCH, until

State = Literal["created", "running", "paused", "exited", "removed"]
_LAST_WORDS_S: Final = 5.0
_EVENT_S: Final = 30.0
"""How long the engine may take to carry out, and tell, what it was asked for."""
_KERNEL_S: Final = 2.0
_HEALTH: Final = "health_status: "


class Container(ContainerHandle):
    """A container that the test started. Any thread may call its methods, but for listeners of events."""

    def __init__(
        self,
        engine: Engine,
        spec: ContainerSpec,
        *,
        name: str,
        engine_name: str,
        log_path: Path,
        labels: Mapping[str, str],
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        super().__init__(engine, "", name)
        self.spec = spec
        self.engine_name = engine_name
        self.log = LogFile(log_path, spec.log_format, spec.log_alarms)
        self.state: State = "created"
        self.health: str | None = None
        self.exit: ContainerExit | None = None
        self.asked: str | None = None
        self.late = False
        self.started = time.monotonic()
        self._labels = labels
        self._on_event = on_event
        self._faults = Faults(name)
        self._allowed: list[Allowed] = []
        self._expected: Expected | None = None
        self._past: list[SeatrialError] = []
        self._out_of_memory = False
        self._pump: LogPump | None = None
        self._log_start = self.log.mark()
        self._changed = threading.Condition()
        self._has_health = spec.healthcheck is not None
        self.id = self._create()
        self._events = EventStream.current()
        self._events.listen(self.id, self._heard, self._look)

    def _create(self) -> str:
        from docker.types import Healthcheck, Mount

        spec, api, reference = self.spec, self._engine.api, self.spec.reference
        mounts = [
            Mount(target, source, type=kind, read_only=only) for target, source, kind, only in spec.mounted()
        ]
        host = "127.0.0.1" if self._engine.place.local else "0.0.0.0"  # noqa: S104  (another machine's port)
        options: dict[str, Any] = {}
        if spec.healthcheck is not None:
            check = spec.healthcheck
            options["healthcheck"] = Healthcheck(
                test=["CMD", *check.command],
                interval=int(check.interval * 1e9),
                timeout=int(check.timeout * 1e9),
                retries=check.retries,
            )
        if spec.network is not None:
            here = api.create_endpoint_config(aliases=[self.name])
            options["networking_config"] = {"EndpointsConfig": {spec.network.name: here}}
        with self._engine.translated(f"creating {self.name} from {reference}"):
            made = api.create_container(
                reference,
                list(spec.command) or None,
                name=self.engine_name,
                hostname=self.name,
                entrypoint=list(spec.entrypoint) or None,
                environment=dict(spec.environment),
                labels={**spec.labels, **self._labels},
                user=spec.user,
                working_dir=spec.working_directory,
                ports=list(spec.ports),
                host_config=api.create_host_config(
                    init=spec.init,
                    mounts=mounts,
                    tmpfs=dict.fromkeys(spec.tmpfs, ""),
                    port_bindings=dict.fromkeys(spec.ports, (host, None)),
                    network_mode=spec.network.name if spec.network is not None else None,
                    **spec.limits(),
                ),
                **options,
            )
        return str(made["Id"])

    # What the engine tells.

    def _heard(self, event: EngineEvent) -> None:
        """In the thread of the events. One that was missed comes late: after `_look`, which knows better how it ended."""
        if self.state == "removed":
            if event.action == "die":
                self.exit = ContainerExit(int(event.attributes.get("exitCode", "-1")))
        elif event.action == "start":
            self._change("spawned", f"container {self.id[:12]}", state="running")
        elif event.action in ("pause", "unpause"):
            self._change(event.action, "", state="paused" if event.action == "pause" else "running")
        elif event.action.startswith(_HEALTH):
            self.health = event.action.removeprefix(_HEALTH)
            self._change("health", self.health)
        elif event.action == "die" and self.state != "exited":
            self._ended(int(event.attributes.get("exitCode", "-1")))
        elif event.action == "destroy":
            self._gone()
        elif event.action == "oom":
            self._out_of_memory = True
            self._change("oom", "")
        elif event.action == "kill":
            self._change("kill", event.attributes.get("signal", ""))

    def _look(self) -> None:
        """Events were missed: see for oneself."""
        try:
            its = self.inspect()["State"]
        except NotThere:
            self._gone()
            return
        self.health = its.get("Health", {}).get("Status")
        if its["Running"]:
            self._change("seen", its["Status"], state="paused" if its["Paused"] else "running")
        elif its["Status"] == "exited" and self.state != "exited":
            self._ended(int(its["ExitCode"]))

    def _change(self, kind: str, detail: str, *, state: State | None = None) -> None:
        if state is not None:
            self.state = state
        if self._on_event is not None:
            self._on_event(Event(self.name, kind, detail))
        with self._changed:
            self._changed.notify_all()
        WATCH.changed()

    def _ended(self, code: int) -> None:
        self.exit = ContainerExit(code)
        self._change("exited", str(self.exit), state="exited")
        if self.asked is None and not self._declared():
            WATCH.report(self, story(self))

    def _gone(self) -> None:
        before = self.state
        self._change("removed", "", state="removed")
        if self.asked is None and before != "exited" and self._expected is None:
            WATCH.report(self, story(self))

    def _declared(self) -> bool:
        return self._expected is not None and self.exit is not None and self._expected.met_by(self.exit)

    # Its life.

    def start(self) -> None:
        """Start it and do not wait for more; raises `EngineError` when its program cannot be run."""
        self.asked, self.late, self.exit, self.health, self._out_of_memory = None, False, None, None, False
        self.started = time.monotonic()
        self._log_start = self.log.mark()
        self._pump = LogPump(self._engine, self.id, self.log.path)
        with self._engine.translated(f"starting {self.name}"):
            self._engine.api.start(self.id)
        self._expect("to start", lambda: self.state != "created")
        if self.spec.healthcheck is None:
            its = self.inspect()["Config"].get("Healthcheck") or {}
            self._has_health = its.get("Test", ["NONE"])[0] != "NONE"

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until it can serve, by default for the boot timeout.

        Raises `ProcessDied` when it, or something else, ends instead, and `NotReady` when it is late or unhealthy.
        """
        limit = self.spec.boot_timeout if timeout is None else timeout
        if self.spec.readiness is not None:
            self._await_line(self.spec.readiness.pattern, limit)
        elif self._has_health:
            settled = ("healthy", "unhealthy")
            WATCH.wait_for(lambda: self.health in settled or self._over(), Deadline(limit), besides=self)
        if self._over():
            self._last_words()
            raise ProcessDied(story(self))
        if self._has_health and self.spec.readiness is None and self.health != "healthy":
            raise NotReady(
                f"{self.name} is {self.health or 'not healthy'} {self._health_words()}; {self.log.story()}"
            )
        self._change("ready", f"{time.monotonic() - self.started:.3f} s after its start")

    def _await_line(self, pattern: str, limit: float) -> None:
        what = f"a line with {pattern!r} in the log of {self.name}"
        try:
            until(what, lambda: self.log.find(pattern, self._log_start) or self._over(), limit)
        except WaitTimeout:
            raise NotReady(
                f"{self.name} is not ready: waited {limit:g} s for {what}, in vain; {self.log.story()}"
            ) from None
        except ProcessDied as death:
            self._last_words()
            raise ProcessDied(story(self) if self._over() else str(death)) from None

    def _last_words(self) -> None:
        if self._pump is not None:
            self._pump.wait(_LAST_WORDS_S)

    def _health_words(self) -> str:
        with contextlib.suppress(EngineError):
            checks = self.inspect()["State"].get("Health", {}).get("Log") or ()
            for check in checks[-1:]:
                return f"(its check ended with {check['ExitCode']}: {shortened(check['Output'].strip())!r})"
        return "(it was not checked yet)"

    def wait_exit(self, timeout: float = 10.0) -> ContainerExit:
        """Wait for its end; raises `WaitTimeout`, or `ProcessDied` when something else dies."""
        if not WATCH.wait_for(lambda: self.exit is not None, Deadline(timeout), besides=self):
            raise WaitTimeout(
                f"waited {timeout:g} s for {self.name} to end, but it is {self.state}; {self.log.story()}"
            )
        return self._facts()

    def wait_removed(self, timeout: float = 10.0) -> None:
        """Wait until somebody has removed it; raises as `wait_exit`."""
        if not WATCH.wait_for(lambda: self.state == "removed", Deadline(timeout), besides=self):
            raise WaitTimeout(f"waited {timeout:g} s for {self.name} to be removed, but it is {self.state}")

    def _until(self, predicate: Callable[[], bool], seconds: float) -> bool:
        """Wait for the engine's word, whatever happens to others meanwhile."""
        with self._changed:
            return self._changed.wait_for(predicate, seconds)

    def _expect(self, what: str, predicate: Callable[[], bool]) -> None:
        if not self._until(predicate, _EVENT_S):
            raise EngineError(f"waited {_EVENT_S:g} s for {self.name} {what}; the engine says nothing of it")

    def _facts(self) -> ContainerExit:
        """Its end, once its last words are in the log."""
        self._last_words()
        if self.exit is None:
            raise EngineError(f"{self.name} was removed before the engine told how it ended")
        with contextlib.suppress(NotThere):
            self._out_of_memory = self._out_of_memory or bool(self.inspect()["State"]["OOMKilled"])
        if self._expected is not None and self._expected.out_of_memory:
            self._until(
                lambda: self._out_of_memory, _KERNEL_S
            )  # the kernel's word takes another way than the exit
        self.exit = ContainerExit(self.exit.code, self._out_of_memory)
        return self.exit

    # What a test does to it.

    def terminate(self) -> None:
        """Send the stop signal, once, and return at once."""
        if self.state == "paused":
            self.resume()
        if self.state == "running" and self.asked is None:
            self._ask("stop", self.spec.stop_signal)

    def stop(self) -> ContainerExit:
        """Stop signal, and after the stop timeout a kill; whether this was a clean end is for `problems` to say."""
        self.terminate()
        if self.state == "running" and not self._until(self._over, self.spec.stop_timeout):
            self.late = self.asked == "stop"
            self.kill()
        return self._facts()

    def kill(self) -> ContainerExit:
        """SIGKILL, as when its machine loses power."""
        if self.state in ("running", "paused"):
            self._faults.begin("killed")
            self._ask("kill", SIGKILL)
            self._expect("to die of SIGKILL", self._over)
        return self._facts()

    def _over(self) -> bool:
        return self.state in ("exited", "removed")

    def _ask(self, what: str, number: Signals) -> None:
        self.asked = self.asked or what
        try:
            self.send_signal(number)
        except EngineError:
            # It may have ended in the same instant, and whoever is dead hears nothing.
            if not self._until(self._over, _LAST_WORDS_S):
                raise

    def pause(self) -> None:
        """Suspend it, as a machine that hangs; connections to it stay open."""
        with self._engine.translated(f"pausing {self.name}"):
            self._faults.begin("paused")
            self._engine.api.pause(self.id)
        self._expect("to pause", lambda: self.state != "running")

    def resume(self) -> None:
        """End a `pause`."""
        with self._engine.translated(f"resuming {self.name}"):
            self._engine.api.unpause(self.id)
        self._expect("to resume", lambda: self.state != "paused")
        self._faults.end("paused")

    def restart(self) -> None:
        """Stop it if it runs, start the same container again, and wait until it is ready.

        Its files and its log go on; its ports get other numbers. What was wrong with its past life is kept for `problems`.
        """
        self.stop()
        self._past += judged(self)
        self._expected = None
        WATCH.retract(self)
        self.state = "created"
        self.start()
        self.wait_ready()
        self._faults.end()

    # What it is.

    def address(self, port: int) -> Address:
        """Where the test reaches a port of `ports`; another one after a restart."""
        if port not in self.spec.ports:
            raise EngineError(f"{self.name} does not publish port {port}: name it in ports=(...)")
        published = self.inspect()["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        if not published:
            raise EngineError(
                f"port {port} of {self.name} is not open: it is {self.state}; {self.log.story()}"
            )
        host = "127.0.0.1" if self._engine.place.local else urlsplit(self._engine.place.url).hostname or ""
        return Address(host, int(published[0]["HostPort"]))

    # What a test declares, and what is wrong.

    def allow_log(self, pattern: str, level: str | None = None) -> None:
        """Warnings and errors in which `pattern` (a regular expression) is found may be logged, at `level` if given."""
        self._allowed.append(Allowed(pattern, level))

    def expect_exit(self, code: int | None = None, *, out_of_memory: bool | None = None) -> None:
        """It must end by itself with `code` (any when None), killed or not for its memory; or be removed by somebody."""
        self._expected = Expected(code, out_of_memory)
        if self._declared() or (self.state == "removed" and self.exit is None):
            WATCH.retract(self)

    def problems(self) -> tuple[SeatrialError, ...]:
        """What its test must hear about: ends that were not declared, needed kills, unexpected log lines."""
        found = [*self._past, *judged(self), *unexpected_log(self.name, self.log, self._allowed)]
        return tuple(found)

    @property
    def expected(self) -> Expected | None:
        """The end that the test declared."""
        return self._expected

    # Its end.

    def remove(self) -> None:
        """Remove it with its anonymous volumes, running or not: then nobody hears its end. Idempotent."""
        if not self._over():
            self.asked = self.asked or "remove"
        super().remove()
        self._until(lambda: self.state == "removed", _LAST_WORDS_S)

    def close(self) -> None:
        """For teardown: stop it, keep its log, remove it, and end every complaint about it in waits; `problems` remain."""
        try:
            if self.state in ("running", "paused"):
                self.stop()
        finally:
            try:
                self.remove()
            finally:
                self._events.forget(self.id)
                if self._pump is not None:
                    self._pump.close()
                WATCH.retract(self)
