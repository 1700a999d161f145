"""Warm boots, the runner's side: one zygote for each program, which forks its processes; see `seatrial.processes.zygote`."""

import asyncio
import contextlib
import json
import os
import re
import resource
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any, Final, Literal, Protocol

from seatrial.errors import ServiceError, SpawnError, indented
from seatrial.processes import proctree
from seatrial.processes.spawn import Launch, base_environment, spawn

Mode = Literal["cold", "warm"]
VARIABLE: Final = "SEATRIAL_BOOT"
SUPPORTED: Final = sys.platform == "linux"

_ZYGOTE: Final = Path(__file__).with_name("zygote.py")
# What an interpreter, the C library or a preloaded one looks at once, when it starts or is imported.
_AT_START: Final = re.compile(
    r"(PYTHON|LC_|LD_|MALLOC_|OPENSSL_|GRPC_).*|LANG|LANGUAGE|TZ|GLIBC_TUNABLES|SEATRIAL_RUN"
)
_PACKET: Final = 65536
_SETTLED: Final = 10.0
_LIMITS: Final = sorted({getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")})


@dataclass(frozen=True, slots=True)
class Preload:
    """What a zygote is made of: an interpreter, the script whose processes it forks, and the modules it imports before."""

    python: str
    script: str
    modules: tuple[str, ...] = ()


class Keeper(Protocol):
    """What a zygote wants of the supervisor."""

    directory: Path

    def own(self, thing: Any) -> None:
        """End it with the run."""

    def disown(self, thing: Any) -> None:
        """It has ended."""

    def session_started(self, session: int, scope: Literal["test", "run"]) -> None:
        """A child was spawned that leads `session`."""

    def session_gone(self, session: int) -> None:
        """Nothing of `session` is left."""

    def unique(self) -> int:
        """A number that nobody else in this run has got."""


def mode_of_run() -> Mode:
    """What `SEATRIAL_BOOT` says: cold turns every boot cold, warm (the default) leaves it to the services.

    Raises `ServiceError` for another value.
    """
    value = os.environ.get(VARIABLE) or "warm"
    if value == "warm":
        return "warm"
    if value == "cold":
        return "cold"
    raise ServiceError(f"{VARIABLE} is {value!r}; set it to cold or warm, or leave it away")


def _raw(text: str) -> str:
    """The bytes that execve(2) would be given, one character for each: the other interpreter may decode otherwise."""
    return os.fsencode(text).decode("latin-1")


def _umask() -> int:
    """That of this process; os.umask(2) can only be asked by changing it, under the feet of other threads."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    raise SpawnError("this kernel does not show the umask in /proc/self/status (Linux 4.7 does); boot cold")


@dataclass(frozen=True, slots=True)
class Spare:
    """A process that has been forked, and waits at the other end of `channel` to be told what it is."""

    pid: int
    channel: socket.socket


class Zygote:
    """One zygote; used in the supervisor's loop only."""

    def __init__(self, keeper: Keeper, name: str, preload: Preload, environment: Mapping[str, str]) -> None:
        self.name = name
        self.preload = preload
        self.log_path = keeper.directory / f"zygote-{keeper.unique()}-{name}.log"
        self.pid = 0
        self._keeper = keeper
        self._environment = environment
        self._socket: socket.socket | None = None
        self.fault: SpawnError | None = None
        self.told = False
        """Whether a boot has failed with the fault."""
        self._spare: Spare | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._said = b""

    @property
    def preparing(self) -> "asyncio.Task[None] | None":
        """What makes the process for the next boot, while it does."""
        return self._preparing

    @property
    def alive(self) -> bool:
        """Whether it takes jobs."""
        return self._socket is not None

    async def start(self, patience: float) -> None:
        """Start it and wait until it has imported its modules; raises `SpawnError` when it refuses, or is late."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        output = os.open(self.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            launch = Launch(
                name=f"zygote of {self.name}",
                command=[self.preload.python, str(_ZYGOTE), self.preload.script, *self.preload.modules],
                environment=self._environment,
                directory=self._keeper.directory,
                output=output,
                sockets={"control": theirs.fileno()},
            )
            self.pid = spawn(launch)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(output)
        self._socket = ours
        self._keeper.own(self)
        self._keeper.session_started(self.pid, "run")
        try:
            async with asyncio.timeout(patience):
                answer = await self._hear()
        except TimeoutError:
            raise self._failure(
                f"was not done with its imports after {patience:g} s (boot_timeout)"
            ) from None
        except asyncio.CancelledError:
            await self.end()
            raise
        if "refused" in answer:
            raise self._failure(f"cannot be forked: {answer['refused']}")
        self._said = self.log_path.read_bytes()

    async def fork(self, launch: Launch) -> int:
        """Make a process of `launch`; its pid, that of a child of this process. Raises `SpawnError`."""
        job = self._job(launch)
        try:
            while self._spare is None:
                self.replenish()
                if self._preparing is not None:
                    # Whoever is interrupted here leaves a spare for the next one.
                    await asyncio.shield(self._preparing)
            spare, self._spare = self._spare, None
            return self._hand_over(spare, job, launch)
        except SpawnError as error:
            self.told = error is self.fault
            raise
        finally:
            os.close(job)

    def _hand_over(self, spare: Spare, job: int, launch: Launch) -> int:
        # What its imports printed, the service would have printed as well.
        if self._said:
            os.write(launch.output, self._said)
        try:
            socket.send_fds(spare.channel, [b"\n"], [job, launch.output, *launch.sockets.values()])
        except OSError as error:
            self._put_down(spare)
            raise SpawnError(
                f"service {self.name}: the process that was to become it (pid {spare.pid}) has ended before"
                f" ({error.strerror})"
            ) from None
        spare.channel.close()
        return spare.pid

    def replenish(self) -> None:
        """Have the process for the next boot forked now, so that nobody waits for that: when one has become ready."""
        if self._socket is None and self.fault is not None:
            raise self.fault
        if self._spare is None and self._preparing is None:
            self._preparing = asyncio.ensure_future(self._prepare())
            self._preparing.add_done_callback(self._prepared)

    async def _prepare(self) -> None:
        control = self._socket
        if control is None:
            raise self._failure("has ended")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            socket.send_fds(control, [b"\n"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise self._failure(f"has ended ({error.strerror})") from None
        finally:
            theirs.close()
        try:
            answer = await self._hear()
        except BaseException:
            ours.close()
            raise
        if "error" in answer:
            ours.close()
            raise SpawnError(f"service {self.name}: its zygote (pid {self.pid}) {answer['error']}")
        self._spare = Spare(int(answer["pid"]), ours)
        self._keeper.session_started(self._spare.pid, "run")

    def _prepared(self, task: "asyncio.Task[None]") -> None:
        self._preparing = None
        # An error that nobody awaited is kept as the zygote's fault, and raised by the next boot.
        if not task.cancelled():
            task.exception()

    def _put_down(self, spare: Spare) -> None:
        spare.channel.close()
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(spare.pid, SIGKILL)
            os.waitpid(spare.pid, 0)
        self._keeper.session_gone(spare.pid)

    def _job(self, launch: Launch) -> int:
        environment = dict(launch.environment)
        if launch.sockets:
            environment["LISTEN_FDS"] = str(len(launch.sockets))
            environment["LISTEN_FDNAMES"] = ":".join(launch.sockets)
        job = {
            "command": [_raw(word) for word in launch.command],
            "environment": {_raw(name): _raw(value) for name, value in environment.items()},
            "directory": _raw(str(launch.directory)),
            "umask": _umask(),
            "limits": [(number, resource.getrlimit(number)) for number in _LIMITS],
        }
        # In a file: a packet has a largest size, and a full socket would block the loop.
        descriptor = os.memfd_create("job", os.MFD_CLOEXEC)
        with open(descriptor, "wb", closefd=False) as file:
            file.write(json.dumps(job).encode())
        return descriptor

    async def _hear(self) -> dict[str, Any]:
        if self._socket is None:
            raise SpawnError(f"service {self.name}: its zygote has ended; {self._log()}")
        try:
            packet = await asyncio.get_running_loop().sock_recv(self._socket, _PACKET)
        except OSError:
            packet = b""
        if not packet:
            raise self._failure("has ended")
        answer: dict[str, Any] = json.loads(packet)
        return answer

    def _log(self) -> str:
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace").rstrip()
        except OSError:
            return "its log is gone"
        return (
            "it wrote nothing"
            if not text
            else "its last lines:\n" + indented("\n".join(text.splitlines()[-20:]))
        )

    def _failure(self, what: str) -> SpawnError:
        """The error of a zygote of which nothing more can be had; it is ended."""
        self._end()
        self.fault = SpawnError(
            f"service {self.name}: the zygote of its warm boots (pid {self.pid}) {what}; keep that out of the imports,"
            f" preload other modules, or boot it cold; {self._log()}"
        )
        return self.fault

    def _end(self) -> None:
        if self._socket is None:
            return
        self._socket.close()
        self._socket = None
        if self._spare is not None:
            self._put_down(self._spare)
            self._spare = None
        # One whose imports started processes was refused, and ends with them: its orphans are ours.
        for pid in (self.pid, *[each.pid for each in proctree.descendants(self.pid)]):
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, SIGKILL)
                os.waitpid(pid, 0)
        self._keeper.session_gone(self.pid)
        self._keeper.disown(self)

    async def end(self) -> None:
        """Kill it. What it has forked lives on."""
        self._end()


class Zygotes:
    """Those of one run: one for each preload and each state of the variables that are only looked at once."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._known: dict[object, Zygote] = {}
        self._turn = asyncio.Lock()

    @property
    def busy(self) -> bool:
        """Whether a process is being made for a later boot. For any thread."""
        return any(zygote.preparing is not None for zygote in list(self._known.values()))

    async def settled(self) -> None:
        """Return when none is being made any more, or when that takes far too long to be awaited."""
        tasks = [zygote.preparing for zygote in self._known.values() if zygote.preparing is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_SETTLED)

    async def get(self, name: str, preload: Preload, launch: Launch, patience: float) -> Zygote:
        """The zygote that forks `launch`; started by its first use. Raises `SpawnError`."""
        environment = base_environment()
        for variable in list(environment):
            if _AT_START.fullmatch(variable):
                del environment[variable]
        environment |= {
            variable: value for variable, value in launch.environment.items() if _AT_START.fullmatch(variable)
        }
        key = (preload, tuple(sorted(environment.items())))
        async with self._turn:
            zygote = self._known.get(key)
            if zygote is not None and zygote.fault is not None:
                # Told once; whether that mends it is for the next boot to say.
                del self._known[key]
                if not zygote.told:
                    raise zygote.fault
                zygote = None
            if zygote is None or not zygote.alive:
                zygote = Zygote(self._keeper, name, preload, environment)
                await zygote.start(patience)
                self._known[key] = zygote
        return zygote
