"""A real PostgreSQL server of ours: fast because it may lose everything with its machine, and alone on its port."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGINT, SIGQUIT, SIGSTOP, Signals
from threading import Thread
from types import MappingProxyType
from typing import Final, Literal, LiteralString, Self
from urllib.parse import quote

from seatrial.errors import SeatrialError, UnexpectedExit
from seatrial.processes import proctree
from seatrial.processes.listener import Address, Listener
from seatrial.processes.process import Event, Process, SpawnContext
from seatrial.processes.readiness import Candidate
from seatrial.service import Service
from seatrial.stores import postgres_burial, postgres_cluster, postgres_install
from seatrial.stores import postgres_leftovers as leftovers
from seatrial.stores.postgres import Postgres
from seatrial.stores.postgres_cluster import ADMIN, SERVICE, Passwords
from seatrial.stores.postgres_place import Place, as_server
from seatrial.stores.postgres_session import Access
from seatrial.stores.store import StoreError
from seatrial.waiting import pause, until

_PROBE_INTERVAL: Final = 0.002
_BOOT_TIMEOUT: Final = 30.0
_STOP_TIMEOUT: Final = 10.0

# What follows stands on the command line, where no ALTER SYSTEM changes it.
SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Nothing outlives the machine: what was written is in the kernel's memory, which a killed server does not take along.
        "fsync": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "wal_log_hints": "off",
        "checkpoint_timeout": "1h",
        "max_wal_size": "1GB",
        "min_wal_size": "32MB",
        # Small databases, many servers on one machine.
        "shared_buffers": "16MB",
        "huge_pages": "off",
        # Below the data: segments in /dev/shm would outlive a server that was killed.
        "dynamic_shared_memory_type": "mmap",
        "max_prepared_transactions": "8",
        # Nothing happens by itself: no vacuum, no statistics, no helper that another run would not have.
        "autovacuum": "off",
        "jit": "off",
        "max_logical_replication_workers": "0",
        "max_parallel_workers_per_gather": "0",
        "bgwriter_lru_maxpages": "0",
        # A crashed backend must be seen, and not be mended.
        "restart_after_crash": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_checkpoints": "off",
        "log_min_messages": "warning",
        "log_min_error_statement": "error",
        "log_line_prefix": "%m [%p] %q%u@%d %e ",
    }
)
QUICK: Final[Mapping[str, str]] = MappingProxyType({"synchronous_commit": "off", "full_page_writes": "off"})
"""For a server that nobody may kill; one that may be killed must come back with every commit, and with whole pages."""
_SINCE: Final = {"file_copy_method": (18, "clone"), "io_method": (18, "sync")}

# A violated constraint, a serialization failure, a name that is not there: that is how services talk to a database, and theirs
# to judge. Alarming is what is wrong with the server itself (SQLSTATE classes 53, 58 and XX: no resources, system and
# internal errors), its death, and warnings of class 25: somebody lost track of where his transaction begins and ends.
ALARMS: Final = (
    r"\bPANIC:",
    r"\b(?:53|58|XX)[0-9A-Z]{3} (?:WARNING|ERROR|FATAL): ",
    r"\b25[0-9A-Z]{3} WARNING: ",
    r"was terminated by signal",
    r"terminating any other active server processes",
    r"could not (?:bind|create any TCP/IP sockets|write|fsync|extend|read)",
    r"No space left on device",
    r"Out of memory",
)


class _ServerBinary:
    def __init__(self, words: Sequence[str]) -> None:
        self._words = words

    def command(self) -> Sequence[str]:
        return self._words


@dataclass(frozen=True, slots=True)
class _SaysReady:
    """Ready when it has written so into postmaster.pid (the last line, as pg_ctl(1) reads it). That file is in our place."""

    file: Path

    def check(self, listeners: Sequence[Listener]) -> None:
        """The service is made here."""

    async def wait(self, candidate: Candidate) -> None:
        """Return when it accepts connections."""
        while True:
            try:
                lines = self.file.read_text(encoding="ascii").splitlines()
            except (FileNotFoundError, UnicodeDecodeError):
                lines = []
            status = lines[7].strip() if len(lines) > 7 else "no status yet"
            if status == "ready":
                return
            candidate.saw(f"{self.file}: {status}")
            await pause(_PROBE_INTERVAL)  # this build cannot notify


class PostgresServer(Postgres):
    """A server of ours on a port of its own, in a place of its own, which is gone with it.

    `killable`: the test may stop, kill, pause and restart it, and every acknowledged commit survives that (with its machine it
    would lose everything). `ahead`: the next copy of a template is made in the background. `settings` are PostgreSQL's own,
    on top of those in `SETTINGS`. The log is in `directory`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "postgres",
        killable: bool = False,
        ahead: bool = False,
        settings: Mapping[str, str] | None = None,
        on_event: Callable[[Event], None] | None = None,
        scope: Literal["test", "run"] = "run",
    ) -> None:
        super().__init__(name, ahead=ahead)
        self._directory = directory
        self._settings = {**SETTINGS, **({} if killable else QUICK), **(settings or {})}
        self._scope: Final = scope
        self._on_event = on_event
        self._place: Place | None = None
        self._process: Process | None = None
        self._problems: list[SeatrialError] = []
        self._paused: list[int] = []

    def __repr__(self) -> str:
        return f"<PostgresServer {self.name} {self._process!r} in {self._place}>"

    # -- where it is

    @property
    def process(self) -> Process | None:
        """The server's process."""
        return self._process

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._own().address("postgres")

    @property
    def place(self) -> Place:
        """Where its data are: its text says whether that is in memory."""
        if self._place is None:
            raise StoreError(f"{self.name} has not been started; call start() first")
        return self._place

    @property
    def admin_dsn(self) -> str:
        """The DSN of a superuser, by the Unix socket."""
        return self._reached().admin

    def execute(self, statement: LiteralString) -> None:
        """Execute a statement as superuser in the maintenance database: for a server that no other test shares."""
        self._admin.run(statement)

    # -- its life

    def start(self) -> Self:
        """Start it and wait until it serves; raises `StoreError`, `SpawnError`, `ProcessDied` or `NotReady`."""
        if self._process is not None:
            raise StoreError(f"{self.name} was started already; use restart()")
        driver = Thread(target=_import_driver, daemon=True)
        driver.start()  # it takes as long as the server
        place = self._place = Place(self.name, self._scope)
        try:
            install = postgres_install.reachable(place.account)
            passwords = postgres_cluster.make(install, place)
            self._process = Process.spawn(self._service(install, place), self._context())
            self._process.wait_ready()
            driver.join()
            self._meet(self._access_with(passwords))
            self._common = dict(leftovers.common_state(self._admin, []))
        except BaseException:
            self._part()
            if self._process is not None:
                self._process.close()
            self._place = None
            place.remove()
            raise
        return self

    def _context(self) -> SpawnContext:
        return SpawnContext(
            directory=self._directory,
            log_path=self._directory / f"{self.name}.log",
            name=self.name,
            scope=self._scope,
            on_event=self._on_event,
        )

    def _service(self, install: postgres_install.Installation, place: Place) -> Service:
        settings = dict(self._settings)
        for setting, (major, value) in _SINCE.items():
            if install.major >= major:
                settings.setdefault(setting, value)
        words = [word for setting, value in settings.items() for word in ("-c", f"{setting}={value}")]
        return Service(
            name=self.name,
            binary=_ServerBinary([*as_server(place.account), str(install.program("postgres"))]),
            arguments=(
                *(
                    "-D",
                    str(place.data),
                    "-k",
                    str(place.path),
                    "-h",
                    "{postgres.host}",
                    "-p",
                    "{postgres.port}",
                ),
                *words,
            ),
            listeners=(Listener(name="postgres", kind="reserved"),),
            readiness=_SaysReady(place.data / "postmaster.pid"),
            boot_timeout=_BOOT_TIMEOUT,
            stop_timeout=_STOP_TIMEOUT,
            stop_signal=SIGINT,  # "fast": clients are cut off, what they did is on disk
            log_format="plain",
            log_alarms=ALARMS,
            working_directory=place.path,
        )

    def _access_with(self, passwords: Passwords) -> Access:
        socket = f"host={quote(str(self.place.path), safe='')}&port={self.address.port}"
        return Access(
            admin=f"postgresql://{ADMIN}:{passwords.admin}@/postgres?{socket}",
            service=f"postgresql://{SERVICE}:{passwords.service}@{self.address}/postgres",
            owner=SERVICE,
        )

    def stop(self) -> None:
        """Shut it down as an operator does: clients are cut off, everything committed is kept."""
        self._end(SIGINT)

    def kill(self) -> None:
        """SIGKILL for the server and every backend, as when its machine loses power after the last write."""
        self.resume()
        self._own().kill()
        self._leave()

    def pause(self) -> None:
        """SIGSTOP for the server and every backend: connections stay open, nothing is answered."""
        process = self._own()
        process.pause()  # from here on it makes no more backends
        backends = [each.pid for each in proctree.descendants(process.pid)]
        self._paused = backends
        _signal(backends, SIGSTOP)
        until("every backend to be suspended", lambda: all(map(_suspended, backends)))

    def resume(self) -> None:
        """End a `pause`."""
        backends, self._paused = self._paused, []
        _signal(backends, SIGCONT)
        self._own().resume()

    def restart(self) -> None:
        """Start it again at the same address, after a stop if it runs, with everything that was committed."""
        if self._own().state != "exited":
            self.stop()
        self._forget_former_life()
        self._own().restart()

    def close(self) -> None:
        """For teardown: end it, and remove its place. Complaints are in `problems`. Idempotent."""
        place, self._place = self._place, None
        if place is None:
            return
        try:
            self._part()
            self._end(SIGQUIT)  # "immediate": nobody will read what a checkpoint would write
        finally:
            self._own().close()
            place.remove()

    def problems(self) -> tuple[SeatrialError, ...]:
        """What a test must hear about: a crash, alarms in its log."""
        return (*(self._process.problems() if self._process is not None else ()), *self._problems)

    def _end(self, how: Signals) -> None:
        process = self._own()
        if process.state == "exited":
            return
        self.resume()
        process.expect_exit()
        process.send_signal(how)
        self._leave()
        try:
            ended: object = process.wait_exit(_STOP_TIMEOUT)
        except SeatrialError:
            ended = process.stop()
        if process.exit_status is None or process.exit_status.code != 0:
            self._problems.append(
                UnexpectedExit(f"{self.name}: {how.name} ended it with {ended}; {process.log.story()}")
            )

    def _forget_former_life(self) -> None:
        """A killed server leaves the file that says who it was: another process may have its pid by now."""
        data = str(self.place.data)
        postgres_burial.free_segment(data)
        with contextlib.suppress(FileNotFoundError):
            (self.place.data / "postmaster.pid").unlink()

    def _own(self) -> Process:
        if self._process is None:
            raise StoreError(f"{self.name} has not been started; call start() first")
        return self._process


def _import_driver() -> None:
    with contextlib.suppress(ImportError):
        import psycopg  # noqa: F401  (whoever needs it finds it imported, or says that it is missing)


def _signal(pids: Sequence[int], number: Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _suspended(pid: int) -> bool:
    its = proctree.info(pid)
    return its is None or its.stopped or its.zombie
