"""What a test sees of a PostgreSQL server, whoever runs it: databases of its own, each a copy of a sealed template."""

import contextlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from seatrial.errors import SeatrialError
from seatrial.processes.listener import Address
from seatrial.processes.logfile import LogFile
from seatrial.processes.process import Event, Process
from seatrial.stores import postgres_leftovers as leftovers
from seatrial.stores.postgres_database import Database
from seatrial.stores.postgres_proof import Origin, Snapshot
from seatrial.stores.postgres_session import HARNESS, Access, Session, of_database
from seatrial.stores.postgres_template import Template
from seatrial.stores.store import LeftBehind, StoreError, StoreNotEmpty

if TYPE_CHECKING:
    from psycopg import sql


class Postgres(ABC):
    """A server for tests. Templates are prepared at their first use, databases are dropped at the end of each test."""

    def __init__(self, name: str, *, ahead: bool) -> None:
        self.name = name
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._access: Access | None = None
        self._made_after = 0
        self._sealed: dict[str, int] = {}
        self._common: dict[str, Any] = {}
        self._templates: set[str] = set()
        self._snapshots: dict[str, Snapshot] = {}
        self._databases: list[Database] = []
        self._made: set[str] = set()
        self._counter = 0
        self._ahead: dict[str, Future[str]] = {}
        self._clones = ThreadPoolExecutor(1, "seatrial-postgres-clones") if ahead else None
        self._clones_session: Session | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- its life

    @abstractmethod
    def start(self) -> Self:
        """Make it usable; raises `SeatrialError` when that cannot be."""

    @abstractmethod
    def close(self) -> None:
        """For teardown: give everything back. Complaints are in `problems`. Idempotent."""

    @abstractmethod
    def problems(self) -> tuple[SeatrialError, ...]:
        """What a test must hear about the server itself."""

    @property
    @abstractmethod
    def address(self) -> Address:
        """Where it listens."""

    @property
    def process(self) -> Process | None:
        """The server's process; None when the server is not ours."""
        return None

    @property
    def log(self) -> LogFile | None:
        """The server's log; None when the server is not ours."""
        return self.process.log if self.process is not None else None

    @property
    def url(self) -> str:
        """`postgresql://host:port`, without user and password."""
        return f"postgresql://{self.address}"

    # -- databases

    def database(self, template: Template = Template.EMPTY) -> Database:
        """A new database, a copy of the template. Raises `StoreError` when the template cannot be prepared or copied."""
        access = self._reached()
        self._prepare(template)
        name = self._ready_made(template) or self._clone(self._admin, template)
        if self._clones is not None:
            self._ahead[template.database] = self._clones.submit(self._clone_ahead, template)
        database = Database(self, name, template, access.service)
        self._databases.append(database)
        return database

    def _prepare(self, template: Template) -> None:
        """Make the template's database and seal it, unless that was done."""
        from psycopg import sql

        name = self._prefixed(template.database)
        with self._lock:
            if name in self._templates:
                return
            access, admin, identifier = self._reached(), self._admin, sql.Identifier(name)
            self._made.add(name)
            admin.run(self._create(identifier, "template0"))
            try:
                template.prepare(of_database(access.service, name))
                self._templates.add(name)
                self._seal(admin, name)
                self._sealed[template.database] = self._transaction_id()
            except BaseException:
                with contextlib.suppress(StoreError):
                    self._drop(name)
                raise

    def _seal(self, admin: Session, name: str) -> None:
        """Nobody connects to it from now on: a copy fails while somebody does, and none may differ from the others."""
        from psycopg import sql

        left = leftovers.left_behind(admin, [name], None)
        if left:
            raise StoreError(f"template {'; '.join(left)}")
        admin.run(
            sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false IS_TEMPLATE true").format(sql.Identifier(name))
        )
        if not self._prefixed(""):
            admin.run(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(name)))
            state = leftovers.common_state(admin, [])
            self._common[f"template {name}"] = state[f"template {name}"]

    def _create(self, name: "sql.Identifier", template: str) -> "sql.Composed":
        from psycopg import sql

        return sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY OWNER {}").format(
            name, sql.Identifier(template), sql.Identifier(self._reached().owner)
        )

    def _clone(self, session: Session, template: Template) -> str:
        with self._lock:
            self._counter += 1
            name = self._prefixed(f"{template.name}_{self._counter}")
        self._copy(session, name, template)
        return name

    def _copy(self, session: Session, name: str, template: Template) -> None:
        from psycopg import sql

        self._made.add(name)
        try:
            session.run(self._create(sql.Identifier(name), self._prefixed(template.database)))
        except StoreError as error:
            raise StoreError(f"{self.name}: no copy of template {template.name}: {error}") from error

    def _clone_ahead(self, template: Template) -> str:
        if self._clones_session is None:
            self._clones_session = Session(self._reached().admin)
        return self._clone(self._clones_session, template)

    def _ready_made(self, template: Template) -> str | None:
        """The copy that was made while the last test ran, if there is one."""
        future = self._ahead.pop(template.database, None)
        if future is None or future.cancel():
            return None
        try:
            return future.result()
        except StoreError:
            return None  # the next attempt says why

    def _drop(self, name: str) -> None:
        from psycopg import sql

        identifier = sql.Identifier(name)
        for _, gid in leftovers.prepared(self._admin, [name]):
            inside = Session(of_database(self._reached().admin, name))
            with contextlib.closing(inside):
                inside.run(sql.SQL("ROLLBACK PREPARED {}").format(gid))
        if name in self._templates:
            self._templates.discard(name)
            self._admin.run(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(identifier))
        leftovers.end_sessions(self._admin, name)
        self._admin.run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(identifier))
        self._made.discard(name)

    # -- resets

    def reset(self, database: Database) -> tuple[str, ...]:
        """As `Database.reset`."""
        import psycopg

        database.disconnect()
        try:
            snapshot = self._snapshot(database.template)
            cut_off = self._cut_off(database)
            if database.session is None:
                database.session = Session(of_database(self._reached().admin, database.name))
            with database.session.connection() as connection:
                try:
                    snapshot.restore(connection)
                except psycopg.Error:
                    doubts = snapshot.changes(connection)  # a table that is gone, most likely
                    if not doubts:
                        raise
                else:
                    doubts = snapshot.doubts(connection)
            again = leftovers.sessions(self._admin, [database.name])
            doubts += [f"somebody connected meanwhile: {each}" for each in again]
        except StoreError as error:
            raise StoreNotEmpty(f"{database.name} cannot be reset: {error}") from None
        if doubts:
            raise StoreNotEmpty(
                f"{database.name} is not as its template {database.template.name}: {'; '.join(doubts)};"
                " take a new database for a test that changes it in this way"
            )
        return cut_off

    def _cut_off(self, database: Database) -> tuple[str, ...]:
        from psycopg import sql

        admin = self._admin
        cut_off = tuple(leftovers.left_behind(admin, [database.name], self._kernel_address))
        leftovers.end_sessions(admin, database.name, spared=HARNESS)
        gids = [gid for _, gid in leftovers.prepared(admin, [database.name])]
        if gids:
            with contextlib.closing(Session(of_database(self._reached().admin, database.name))) as inside:
                for gid in gids:
                    inside.run(sql.SQL("ROLLBACK PREPARED {}").format(gid))
        database.complaints += cut_off
        return cut_off

    def _snapshot(self, template: Template) -> Snapshot:
        """The template as it is, learned once from a copy of its own that nobody else has seen."""
        found = self._snapshots.get(template.database)
        if found is None:
            name = self._clone(self._admin, template)
            inside = Session(of_database(self._reached().admin, name))
            with contextlib.closing(inside), inside.connection() as connection:
                found = Snapshot.of(connection, Origin(self._made_after, self._sealed[template.database]))
            self._drop(name)
            self._snapshots[template.database] = found
        return found

    # -- the end of a test

    def finish(self) -> list[SeatrialError]:
        """A test has ended, and its processes have: say what it left, and drop its databases.

        `LeftBehind` is told and done with; any other error means that the server cannot be proven clean, and is to be
        replaced.
        """
        databases, self._databases = self._databases, []
        if not databases or (self.process is not None and self.process.state == "exited"):
            return []
        found: list[SeatrialError] = []
        try:
            names = [database.name for database in databases]
            complaints = [text for database in databases for text in database.complaints]
            complaints += leftovers.left_behind(self._admin, names, self._kernel_address)
            found += [LeftBehind(text) for text in complaints]
            for database in databases:
                database.disconnect()
                database.leave()
                self._drop(database.name)
            found += [StoreNotEmpty(f"{self.name}: after the test {text}") for text in self._changes()]
        except StoreError as error:
            found.append(StoreNotEmpty(f"{self.name} cannot be cleaned after the test: {error}"))
        return found

    def _changes(self) -> list[str]:
        """What a test changed that is not in its databases."""
        return leftovers.changes(self._common, leftovers.common_state(self._admin, sorted(self._made)))

    # -- for servers

    @property
    def _kernel_address(self) -> Address | None:
        """Where it listens, if this machine's kernel knows its connections."""
        return self.address if self.process is not None else None

    @property
    def _admin(self) -> Session:
        if self._session is None:
            self._session = Session(self._reached().admin)
        return self._session

    def _reached(self) -> Access:
        if self._access is None:
            raise StoreError(f"{self.name} has not been started; call start() first")
        return self._access

    def _prefixed(self, name: str) -> str:
        return f"{self._reached().prefix}{name}"

    def _meet(self, access: Access) -> None:
        """Remember the server as it is before anything was done to it."""
        self._access = access
        self._made_after = self._transaction_id()

    def _transaction_id(self) -> int:
        """The next one; rows that are written later bear a greater one (modulo 2**32)."""
        ((number,),) = self._admin.rows("SELECT pg_current_xact_id()::text")
        return int(number) & 0xFFFFFFFF

    def _leave(self) -> None:
        """Close the harness' own connections; they are made again when they are needed."""
        for session in (self._clones_session, self._session):
            if session is not None:
                session.close()
        for database in self._databases:
            database.leave()

    def _part(self) -> None:
        """End the thread and every connection."""
        if self._clones is not None:
            self._clones.shutdown(cancel_futures=True)
        for database in self._databases:
            database.disconnect()
        self._leave()


def worker_postgres(directory: Path, on_event: Callable[[Event], None] | None = None) -> Postgres:
    """The server of this worker, started: that of `$INTEGRATION_REAL_POSTGRES_DSN` if it is set, else one of ours."""
    from seatrial.rules.capability import REAL_POSTGRES_VARIABLE

    place = os.environ.get(REAL_POSTGRES_VARIABLE)
    if place:
        from seatrial.stores.external_postgres import ExternalPostgres

        return ExternalPostgres(place).start()
    from seatrial.stores.postgres_server import PostgresServer

    return PostgresServer(directory, ahead=True, on_event=on_event).start()
