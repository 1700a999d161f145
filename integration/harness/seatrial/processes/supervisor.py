"""The one thread of a test runner that owns its children: an asyncio loop, the run's directory, and the warden."""

import asyncio
import atexit
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol, Self, TypeVar

from seatrial.errors import SeatrialError
from seatrial.processes.notify import LONGEST_PATH
from seatrial.processes.spawn import base_environment, stray_descriptors
from seatrial.processes.warden import sweep
from seatrial.processes.warmboot import Zygotes

MARKER: Final = "SEATRIAL_RUN"
_WARDEN: Final = Path(__file__).with_name("warden.py")
_PR_SET_CHILD_SUBREAPER: Final = 36
_ROOM_FOR_NAMES: Final = 24
_SWEEPS: Final = 50

T = TypeVar("T")


class Owned(Protocol):
    """Something that runs in the loop and must be ended before it."""

    async def end(self) -> None:
        """End it at once."""


class Warden:
    """The runner's end of the process that cleans up if the runner is killed; see `seatrial.processes.warden`."""

    def __init__(self, marker: str, directory: Path) -> None:
        reading, self._pipe = os.pipe()
        try:
            # The signals of a terminal are blocked from the first instruction on; -I -S make it start in 15 ms.
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", str(_WARDEN), marker, str(directory)],
                base_environment(),
                file_actions=[
                    *((os.POSIX_SPAWN_CLOSE, stray) for stray in stray_descriptors(3)),
                    (os.POSIX_SPAWN_DUP2, reading, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
                setsigmask=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT],
            )
        finally:
            os.close(reading)

    def alive(self) -> bool:
        """Whether it still watches."""
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] == 0
        except ChildProcessError:
            return False

    def tell(self, line: str) -> None:
        """Say that a session was started ("+PID") or is gone ("-PID"), or leave a command ("@" and its words in JSON)."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, f"{line}\n".encode())

    def forget(self) -> None:
        """In a forked child: without this, the warden would not see the runner's end."""
        os.close(self._pipe)

    def dismiss(self) -> None:
        """The runner has cleaned up by itself."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._pipe)


class Supervisor:
    """The supervisor of this process; `current` starts it when there is none.

    Its thread is the parent of every child, as the kernel counts parents: when the thread ends, the kernel kills them.
    The process becomes the one that adopts the orphans among its descendants (PR_SET_CHILD_SUBREAPER), so that nobody
    escapes by daemonising. A forked child of the runner owns nothing of this and starts with a supervisor of its own.
    """

    _current: ClassVar[Self | None] = None
    _creation: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.run_id = f"{os.getpid()}-{secrets.token_hex(6)}"
        self.loop = asyncio.new_event_loop()
        self.directory = self._make_directory()
        self.zygotes = Zygotes(self)
        self._owned: set[Owned] = set()
        self._sessions: dict[int, Literal["test", "run"]] = {}
        self._warden: Warden | None = None
        self._will: list[str] = []
        self._counter = 0
        self._names = threading.Lock()
        self._adopt_orphans()
        self._thread = threading.Thread(target=self._serve, name="seatrial-supervisor", daemon=True)
        self._thread.start()

    @staticmethod
    def _make_directory() -> Path:
        for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  (the fallback where TMPDIR is too long for sockets)
            directory = Path(tempfile.mkdtemp(prefix="seatrial-", dir=parent))
            if len(os.fsencode(directory)) + _ROOM_FOR_NAMES <= LONGEST_PATH:
                return directory
            directory.rmdir()
        raise AssertionError("a directory in /tmp has a short name")

    @staticmethod
    def _adopt_orphans() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def _serve(self) -> None:
        # The runner's signals are for its main thread: only that one can be interrupted.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    @classmethod
    def current(cls) -> Self:
        """The supervisor of this process."""
        with cls._creation:
            if cls._current is None:
                cls._current = cls()
            return cls._current

    @classmethod
    def active(cls) -> Self | None:
        """The supervisor of this process, if it has been started."""
        return cls._current

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Run `work` in the loop and return its result; what it raises is raised here.

        `work` is cancelled when `timeout` seconds pass (`TimeoutError`), or when Ctrl-C interrupts the caller.
        """
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            work.close()
            raise SeatrialError(
                "Supervisor.run was called from its own thread, or after its end: it cannot wait there"
            )
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout)
        except CancelledError:
            raise SeatrialError("the work was cancelled, because the supervisor ends") from None
        except BaseException:
            future.cancel()
            raise

    def own(self, thing: Owned) -> None:
        """`thing` is ended by `close` at the latest."""
        self._owned.add(thing)

    def disown(self, thing: Owned) -> None:
        """`thing` has ended."""
        self._owned.discard(thing)

    def owned(self) -> frozenset[Owned]:
        """What has not ended."""
        return frozenset(self._owned)

    def watch_over(self) -> None:
        """Make sure that a warden lives, before something is spawned."""
        if self._warden is not None and not self._warden.alive():
            self._warden.forget()
            self._warden = None
        if self._warden is None:
            self._warden = Warden(f"{MARKER}={self.run_id}", self.directory)
            for session in self._sessions:
                self._warden.tell(f"+{session}")
            for command in self._will:
                self._warden.tell(command)

    def last_will(self, command: Sequence[str]) -> None:
        """Have the warden start `command` if this process is killed, once its children are gone.

        It runs with the few variables that children see, nobody waits for it, and it must end by itself.
        """
        self.run(self._leave(f"@{json.dumps(list(command))}"))

    async def _leave(self, line: str) -> None:
        self.watch_over()
        if line not in self._will and self._warden is not None:
            self._will.append(line)
            self._warden.tell(line)

    def session_started(self, session: int, scope: Literal["test", "run"]) -> None:
        """A child was spawned that leads `session`; with scope "run" it may outlive a test."""
        self._sessions[session] = scope
        if self._warden is not None:
            self._warden.tell(f"+{session}")

    def session_gone(self, session: int) -> None:
        """Nothing of `session` is left."""
        if self._sessions.pop(session, None) is not None and self._warden is not None:
            self._warden.tell(f"-{session}")

    def settle(self) -> None:
        """Wait until no process is being made for a later boot: as long as one is, it cannot be told from a leak."""
        if self.zygotes.busy:
            self.run(self.zygotes.settled())

    def own_processes(self) -> set[int]:
        """Pids that may outlive a test: the warden, and the children with scope "run"."""
        own = {session for session, scope in self._sessions.items() if scope == "run"}
        return own | ({self._warden.pid} if self._warden is not None else set())

    def unique(self) -> int:
        """A number that nobody else in this run has got."""
        with self._names:
            self._counter += 1
            return self._counter

    def temporary_directory(self, name: str, scope: Literal["test", "run"] = "test") -> Path:
        """A new directory; one with scope "test" is a leak when it is still there after the test."""
        directory = self.directory / scope / f"{self.unique()}-{name}"
        directory.mkdir(parents=True)
        return directory

    def close(self) -> None:
        """End everything that was started, the thread and the warden, and remove the run's directory. Idempotent."""
        cls = type(self)
        with cls._creation:
            if cls._current is self:
                cls._current = None
        if self._thread.is_alive():
            with contextlib.suppress(TimeoutError):
                self.run(self._end_all(), timeout=10.0)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        if self._warden is not None:
            # What daemonised, and escaped from the process that it was started by.
            for _ in range(_SWEEPS):
                if not sweep(f"{MARKER}={self.run_id}".encode(), set(self._sessions)):
                    break
            self._warden.dismiss()
            self._warden = None
        shutil.rmtree(self.directory, ignore_errors=True)

    async def _end_all(self) -> None:
        await asyncio.gather(*(thing.end() for thing in self._owned), return_exceptions=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @classmethod
    def forget_inherited(cls) -> None:
        """In a forked child: what it inherited belongs to its parent, and without the thread it is dead matter."""
        inherited, cls._current, cls._creation = cls._current, None, threading.Lock()
        if inherited is not None:
            inherited.abandon()

    def abandon(self) -> None:
        """Let go of the warden's pipe, whose end it would not see otherwise."""
        if self._warden is not None:
            self._warden.forget()

    @classmethod
    def close_current(cls) -> None:
        """Close the supervisor of this process, if there is one."""
        if cls._current is not None:
            cls._current.close()


os.register_at_fork(after_in_child=Supervisor.forget_inherited)
atexit.register(Supervisor.close_current)
