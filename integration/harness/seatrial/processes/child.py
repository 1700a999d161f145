"""One operating system process, from its spawn until it and its session are gone; lives in the supervisor's loop."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from resource import struct_rusage
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from typing import Final

from seatrial.clock import Deadline
from seatrial.errors import NotReady
from seatrial.processes import proctree
from seatrial.processes.listener import Address
from seatrial.processes.logfile import LogFile, Mark
from seatrial.processes.notify import MalformedNotification, NotifySocket, parse
from seatrial.processes.proctree import ProcessInfo
from seatrial.service import Service
from seatrial.waiting import polled

_SIGNAL_POLL: Final = 0.002
_ORPHAN_GRACE: Final = 0.25  # workers whose parent ended are given this long to notice
_KILL_TIMEOUT: Final = 5.0
_DUMP_TIMEOUT: Final = 1.0
_DUMP_SETTLED: Final = 0.05


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a process ended: by an exit code, or by a signal; with neither, somebody else took its status.

    `user_time` and `system_time` are seconds of CPU, `max_rss` is the platform's unit of getrusage(2) (KiB on Linux).
    """

    code: int | None
    signal: Signals | None
    user_time: float = 0.0
    system_time: float = 0.0
    max_rss: int = 0

    @classmethod
    def of(cls, status: int, usage: struct_rusage) -> "ExitStatus":
        """From what wait4(2) says."""
        result = os.waitstatus_to_exitcode(status)
        code, signal = (result, None) if result >= 0 else (None, Signals(-result))
        return cls(code, signal, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)

    @property
    def returncode(self) -> int | None:
        """In the convention of `subprocess.Popen.returncode`: the exit code, or minus the number of the signal."""
        return -self.signal if self.signal is not None else self.code

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {self.signal.name}"
        return (
            "ended with a status that somebody else took" if self.code is None else f"exit code {self.code}"
        )


class Child:
    """A process of a service; all of it is used in the supervisor's loop, and read from anywhere.

    `on_change` is called with a kind and a detail after each change: spawned, status, ready, failed, signal, exited.
    """

    def __init__(
        self,
        service: Service,
        log: LogFile,
        addresses: Mapping[str, Address],
        notify: NotifySocket,
        on_change: Callable[["Child", str, str], None],
    ) -> None:
        self.service = service
        self.log = log
        self.log_start: Mark = log.mark()
        self.addresses = dict(addresses)
        self.pid = 0
        self.started = 0.0
        self.ended = 0.0
        self.ready_after: float | None = None
        self.failure: str | None = None
        self.exit: ExitStatus | None = None
        self.status_text = ""
        self.last_seen = ""
        self.malformed: list[str] = []
        self.asked: Signals | None = None
        self.late = False
        self.stopping = False
        self.paused = False
        self.immortal = False
        self.left_behind: list[str] = []
        self._asked_at = 0.0
        self._orphans: dict[int, ProcessInfo] = {}
        self._notify = notify
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._ready_datagram: asyncio.Future[Mapping[str, str]] = self._loop.create_future()
        self._exited = asyncio.Event()
        self._readiness: asyncio.Task[None] | None = None
        self._pidfd: int | None = None

    def start(self, pid: int, started: float, how: str) -> None:
        """Watch over `pid`, a child of this process that was born at `started`, on the monotonic clock."""
        self.pid, self.started = pid, started
        self._loop.add_reader(self._notify.fileno(), self._datagrams_arrived)
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            threading.Thread(
                target=self._wait_in_thread, name=f"seatrial-wait-{self.pid}", daemon=True
            ).start()
        else:
            self._loop.add_reader(self._pidfd, self._exit_seen)
        self._change("spawned", how)
        self._readiness = self._loop.create_task(self._become_ready())

    def _change(self, kind: str, detail: str) -> None:
        self._on_change(self, kind, detail)

    # What a readiness sees.

    def address(self, listener: str) -> Address:
        """Where it listens; raises `KeyError` while a reported address is not known."""
        return self.addresses[listener]

    def saw(self, what: str) -> None:
        """Remember why it is not ready yet, and tell it when that is something else than before."""
        if what != self.last_seen:
            self.last_seen = what
            self._change("probe", what)

    def stranger(self, listener: str) -> str | None:
        """Who listens on a reserved port, when it is certainly not this child or a descendant of it."""
        if self.service.listener(listener).kind != "reserved":
            return None
        return proctree.stranger_at(self.addresses[listener], {self.pid, *self._family()})

    async def notified(self) -> None:
        """Return when the READY datagram has arrived and says all that it must."""
        assignments = await self._ready_datagram
        for listener in self.service.listeners:
            text = assignments.get(listener.notification)
            if listener.kind == "reported" and text is None:
                raise NotReady(
                    f"its READY datagram lacks {listener.notification}, the address of a reported listener"
                )
            if text is None:
                continue
            try:
                address = Address.parse(text)
            except ValueError as error:
                raise NotReady(f"its READY datagram has {listener.notification}={text}: {error}") from None
            known = self.addresses.setdefault(listener.name, address)
            if known != address:
                raise NotReady(
                    f"it listens on {address} as {listener.name}, although {listener.name} was {listener.kind} to it"
                    f" on {known}: nobody who was given that address can reach it"
                )

    async def _become_ready(self) -> None:
        try:
            await self.service.readiness.wait(self)
        except NotReady as error:
            self.failure = str(error)
            self._change("failed", self.failure)
        except Exception as error:  # noqa: BLE001  (a third party's readiness may raise anything)
            self.failure = f"its readiness check broke: {error!r}"
            self._change("failed", self.failure)
        else:
            self.ready_after = time.monotonic() - self.started
            self._change("ready", f"after {self.ready_after * 1000:.1f} ms")

    # What the child tells.

    def _datagrams_arrived(self) -> None:
        for datagram in self._notify.received():
            try:
                assignments = parse(datagram)
            except MalformedNotification as error:
                self.malformed.append(str(error))
                self._change("malformed", str(error))
                continue
            if "STATUS" in assignments:
                self.status_text = assignments["STATUS"]
                self._change("status", self.status_text)
            if assignments.get("STOPPING") == "1":
                self.stopping = True
                self._change("stopping", "")
            if assignments.get("READY") == "1" and not self._ready_datagram.done():
                self._ready_datagram.set_result(assignments)

    # Its end.

    def _wait_in_thread(self) -> None:
        try:
            _, status, usage = os.wait4(self.pid, 0)
            result = ExitStatus.of(status, usage)
        except ChildProcessError:
            result = ExitStatus(None, None)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the runner ends
            self._loop.call_soon_threadsafe(self._end, result)

    def _exit_seen(self) -> None:
        try:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            self._end(ExitStatus(None, None))
            return
        if pid:
            self._end(ExitStatus.of(status, usage))

    def _end(self, result: ExitStatus) -> None:
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        # What it said last may have come with its end.
        self._datagrams_arrived()
        self._loop.remove_reader(self._notify.fileno())
        self._notify.close()
        if self._readiness is not None:
            self._readiness.cancel()
        self._orphans.update((each.pid, each) for each in self._session())
        self.ended = time.monotonic()
        self.paused = False
        self.exit = result
        self._exited.set()
        self._change("exited", str(result))

    def _session(self) -> list[ProcessInfo]:
        """The other processes of its session: after its end they are children of the runner, which adopts orphans."""
        return [
            each
            for each in proctree.descendants(os.getpid())
            if each.session == self.pid and each.pid != self.pid
        ]

    def _family(self) -> dict[int, ProcessInfo]:
        """Everything that descends from it or belongs to its session, without itself."""
        family = {each.pid: each for each in self._session()}
        if self.exit is None:
            family.update((each.pid, each) for each in proctree.descendants(self.pid))
        return family

    async def exits_within(self, seconds: float) -> bool:
        """Wait for its end."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._exited.wait()
        except TimeoutError:
            return False
        return True

    def send(self, number: Signals) -> None:
        """Send a signal to the process itself; nothing happens when it has ended."""
        # Its pid is its own until this loop has waited for it.
        if self.exit is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            self._change("signal", number.name)

    def _send_group(self, number: Signals) -> None:
        if self.exit is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            for each in self._session():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.pid, number)
            self._change("signal", f"{number.name} to the session")

    async def pause(self) -> None:
        """Suspend it and its session, and return when the kernel has done so."""
        self.paused = True
        self._send_group(SIGSTOP)
        await polled(self._suspended, interval=_SIGNAL_POLL)

    def _suspended(self) -> bool:
        its = proctree.info(self.pid)
        return self.exit is not None or its is None or its.stopped or its.zombie

    def resume(self) -> None:
        """Let it go on."""
        if self.paused:
            self.paused = False
            self._send_group(SIGCONT)

    def ask(self) -> None:
        """Send the stop signal, unless that has been done; a paused child is resumed, to be able to hear it."""
        if self.exit is None and self.asked is None:
            self.asked = self.service.stop_signal
            self._asked_at = time.monotonic()
            self.stopping = True
            self.send(self.service.stop_signal)
        self.resume()

    async def stop(self) -> None:
        """Ask it to end; when it does not within its stop timeout, dump its stacks and kill its session."""
        self.ask()
        patience = self.service.stop_timeout - (time.monotonic() - self._asked_at)
        if not await self.exits_within(patience):
            self.late = True
            await self.dump_stacks()
            await self._kill_family()
        await self._sweep()

    async def dump_stacks(self) -> None:
        """Have it write its stacks to its log, if it knows how to, and wait until they are there."""
        if self.service.stack_dump_signal is None or self.exit is not None:
            return
        before = size = self.log.mark().offset
        self.send(self.service.stack_dump_signal)
        settled = Deadline(_DUMP_SETTLED)

        def written() -> bool:
            nonlocal size, settled
            grown = self.log.mark().offset
            if grown != size:
                size, settled = grown, Deadline(_DUMP_SETTLED)
            return self.exit is not None or (size != before and settled.expired)

        await polled(written, _DUMP_TIMEOUT, _SIGNAL_POLL)

    async def kill(self) -> None:
        """SIGKILL it and its session."""
        if self.exit is None:
            self.asked = SIGKILL
        await self._kill_family()

    async def _kill_family(self) -> None:
        # Who descends from whom is forgotten with the parent: the list is made before.
        self._orphans.update(self._family())
        self._send_group(SIGKILL)
        await self._bury()
        if not await self.exits_within(_KILL_TIMEOUT):
            self.immortal = True

    def _living(self) -> list[ProcessInfo]:
        """The members of its family that still run; those that ended and are ours to wait for are reaped."""
        living = []
        for pid, known in list(self._orphans.items()):
            its = proctree.info(pid)
            if its is None or its.started != known.started:
                del self._orphans[pid]
            elif not its.zombie:
                living.append(its)
            elif its.parent == os.getpid():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                del self._orphans[pid]
            else:
                del self._orphans[pid]  # its own parent is yet to notice
        return living

    async def _bury(self) -> None:
        def gone() -> bool:
            # A process that was forking when it was killed has left a child that was on no list.
            self._orphans.update((each.pid, each) for each in self._session())
            living = self._living()
            for each in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.pid, SIGKILL)
            return not living

        if not await polled(gone, _KILL_TIMEOUT, _SIGNAL_POLL):
            self.immortal = True

    async def _sweep(self) -> None:
        """After its end: whoever it left in its session is given a moment, then named and killed."""
        if not await polled(lambda: not self._living(), _ORPHAN_GRACE, _SIGNAL_POLL):
            self.left_behind += [str(each) for each in self._living()]
            await self._bury()
