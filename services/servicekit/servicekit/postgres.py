"""A PostgreSQL database (14 or newer), by asyncpg.

asyncpg costs a boot about 40 ms of import: only a service with a database imports this module. Every statement has a
deadline, on this side and on the server's. A connection whose statement was cut off, by its deadline or by a cancelled task, is
closed and not used again: what is left of it cannot be mixed up with what comes next.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.resources.abc import Traversable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import asyncpg
from asyncpg.transaction import Transaction

from servicekit.connection import AGAIN, DRIVER_ERRORS, NOT_NOW, Connection, DatabaseUnavailable
from servicekit.failures import why
from servicekit.migrations import MigrationError, apply, load

__all__ = ["Connection", "Database", "DatabaseUnavailable", "Record", "Watcher"]

Record = asyncpg.Record

#: The server's own limit on a statement's time, as a part of ours: so it is the server that ends a statement that waits for a
#: lock, and the connection stays of use. That we end it first means that the server does not answer at all.
_SERVER_PART: Final = 0.8
#: How often the server looks whether the caller of a running statement is still there.
_CHECK_CALLER_MS: Final = 500


class Watcher(Protocol):
    """Who wants to know whether the database answers; a health.Dependency is one."""

    def up(self) -> None:
        """It answered."""

    def down(self, reason: str) -> None:
        """It did not."""


class Database:
    """A pool of connections to one database, which it migrates before anything else is done with it.

    An outage fails what is asked meanwhile, within the deadline, and heals by itself. No statement is repeated.
    """

    def __init__(
        self,
        dsn: str,
        *,
        migrations: Path | Traversable | None,
        name: str,
        timeout: float = 2.0,
        max_connections: int = 8,
    ) -> None:
        """``timeout`` is the deadline in seconds of each statement, and of getting a connection for it.

        ``dsn`` is ``postgresql://user:password@host:port/database`` or, for a socket in a folder,
        ``postgresql://user@/database?host=/folder``. ``migrations`` is the folder of migrations.py, None for a database that
        somebody else migrates. ``name`` is shown in pg_stat_activity. Raises MigrationError if the files are wrong.
        """
        self.name = name
        self.timeout = timeout
        self._dsn = dsn
        self._migrations = None if migrations is None else load(migrations)
        self._idle: list[Connection] = []
        self._slots = asyncio.Semaphore(max_connections)
        self._watcher: Watcher | None = None
        self._preparing: asyncio.Task[list[str]] | None = None
        self._prepared = False
        self._admitted = False
        #: Counts outages: a connection of an earlier one is not used again.
        self._generation = 0
        self._closed = False

    def watch(self, watcher: Watcher) -> None:
        """Tell ``watcher`` at each statement whether the database answered."""
        self._watcher = watcher

    async def __aenter__(self) -> Self:
        """Connect and migrate, for ``timeout`` seconds at most; a database that is away is tried again when it is used.

        Raises MigrationError when the database and the migrations do not fit: a service must not start then.
        """
        with suppress(DatabaseUnavailable):  # the watcher was told
            await self._migrate_in_time()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection that is not in use; one that is, is closed when it is given back."""
        self._closed = True
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait((self._preparing,))
        idle, self._idle = self._idle, []
        for connection in idle:
            try:
                await connection.close(timeout=self.timeout)
            except (TimeoutError, OSError, *DRIVER_ERRORS):
                connection.terminate()

    async def migrate(self) -> list[str]:
        """Connect, apply the migrations that are missing, however long they take, and give their names.

        Raises DatabaseUnavailable; raises MigrationError when the database and the migrations do not fit.
        """
        while True:
            if self._closed:
                raise DatabaseUnavailable("the client was closed")
            if self._prepared:
                return []
            # One that has failed is of no use to who comes before its callback.
            begun = self._preparing is not None and not self._preparing.done()
            if self._preparing is None or self._preparing.done():
                self._preparing = asyncio.create_task(self._prepare(), name=f"postgres-prepare-{self.name}")
                self._preparing.add_done_callback(self._prepare_done)
            try:
                # Shielded: one who gives up must not take the connection from those who wait with him.
                return await asyncio.shield(self._preparing)
            except DatabaseUnavailable:
                # An attempt that another one began may have failed for what was true then and no longer is.
                if not begun:
                    raise

    async def ping(self) -> None:
        """Ask whether the database answers and is migrated; raises DatabaseUnavailable if not."""
        await self.fetchval("SELECT 1")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Give a connection in a transaction: committed at the end, rolled back by any exception, of READ COMMITTED.

        Raises DatabaseUnavailable; when COMMIT does, it is unknown whether the transaction was committed.
        """
        connection, transaction = await self._begin()
        try:
            try:
                yield connection
            except BaseException as problem:
                await _roll_back(connection, transaction, problem)
                raise
            await transaction.commit()
        except DRIVER_ERRORS as problem:
            # From a cursor or a prepared statement, which are not guarded.
            unavailable = self.judge(problem, connection)
            if unavailable is None:
                raise
            raise unavailable from None
        finally:
            self._release(connection)

    async def execute(self, sql: str, *args: Any) -> str:
        """Run one statement, committed by itself, and give its status. Raises DatabaseUnavailable or asyncpg's errors."""
        async with self._connection() as connection:
            return await connection.execute(sql, *args)

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Run one statement, committed by itself, and give its rows. Raises DatabaseUnavailable or asyncpg's errors."""
        async with self._connection() as connection:
            return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        """As fetch, but give the first row, None when there is none."""
        async with self._connection() as connection:
            return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """As fetch, but give the first row's first value, None when there is none."""
        async with self._connection() as connection:
            return await connection.fetchval(sql, *args)

    @asynccontextmanager
    async def session(self, settings: Mapping[str, str] | None = None) -> AsyncIterator[Connection]:
        """Give a connection of its own, outside the pool, for LISTEN and for locks that are the session's.

        ``settings`` are the server's, by name. Raises DatabaseUnavailable.
        """
        await self._ready()
        connection = await self._open(settings or {})
        try:
            yield connection
        finally:
            connection.terminate()

    def answered(self) -> None:
        """Report that the server did what it was asked for; that it is migrated is part of it."""
        if self._watcher is not None and self._prepared:
            self._watcher.up()

    def judge(self, problem: Exception, connection: Connection) -> DatabaseUnavailable | None:
        """Say whether an error is the server's fault, which is reported, and not the statement's."""
        if isinstance(problem, AGAIN):
            return DatabaseUnavailable(str(problem))
        if isinstance(problem, TimeoutError):
            return self._lost(f"no answer within {self.timeout:g} s")
        if isinstance(problem, OSError):
            return self._lost(why(problem))
        if isinstance(problem, NOT_NOW) or connection.is_closed():
            return self._lost(str(problem))
        return None

    def _lost(self, reason: str) -> DatabaseUnavailable:
        """Report an outage; the connections that nobody uses are as old as the one that saw it."""
        self._generation += 1
        self._prepared = False
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.terminate()
        if self._watcher is not None and not self._closed:
            self._watcher.down(reason)
        return DatabaseUnavailable(reason)

    async def _prepare(self) -> list[str]:
        connection = await self._open({})
        try:
            names: list[str] = []
            if self._migrations is not None:
                names = await apply(connection, self._migrations, allow_newer=self._admitted)
        except BaseException:
            connection.terminate()
            raise
        self._prepared = self._admitted = True
        if self._closed:
            connection.terminate()
        else:
            self._idle.append(connection)
        self.answered()
        return names

    def _prepare_done(self, task: "asyncio.Task[list[str]]") -> None:
        if not task.cancelled():
            task.exception()  # those who waited may have left

    async def _migrate_in_time(self) -> None:
        """As migrate, but what takes longer than the deadline goes on in the background."""
        try:
            async with asyncio.timeout(self.timeout):
                await self.migrate()
        except TimeoutError:
            raise self._lost(f"not connected and migrated within {self.timeout:g} s") from None

    async def _ready(self) -> None:
        """Connect and migrate if that was not done since the last outage. Raises DatabaseUnavailable."""
        if self._closed or not self._prepared:
            try:
                await self._migrate_in_time()
            except MigrationError as problem:
                raise self._lost(str(problem)) from None

    async def _open(self, settings: Mapping[str, str]) -> Connection:
        generation = self._generation
        try:
            async with asyncio.timeout(self.timeout):
                connection = await asyncpg.connect(
                    self._dsn,
                    timeout=self.timeout,
                    command_timeout=self.timeout,
                    connection_class=Connection,
                    server_settings={
                        "application_name": self.name,
                        "statement_timeout": str(int(self.timeout * 1000 * _SERVER_PART)),
                        "client_connection_check_interval": str(_CHECK_CALLER_MS),
                        **settings,
                    },
                )
        except TimeoutError:
            raise self._lost(f"no connection within {self.timeout:g} s") from None
        except OSError as problem:
            raise self._lost(why(problem)) from None
        except DRIVER_ERRORS as problem:
            raise self._lost(str(problem)) from None
        connection.owner = self
        connection.generation = generation
        return connection

    async def _acquire(self) -> tuple[Connection, bool]:
        """Give a connection, and whether it is a new one."""
        try:
            async with asyncio.timeout(self.timeout):
                await self._slots.acquire()
        except TimeoutError:
            raise DatabaseUnavailable(f"no connection was free within {self.timeout:g} s") from None
        try:
            if any(connection.is_closed() for connection in self._idle):
                # The server has ended it. What comes back may be another one, or this one with an older backup.
                self._idle = [connection for connection in self._idle if not connection.is_closed()]
                self._prepared = False
            await self._ready()
            if self._idle:
                return self._idle.pop(), False
            return await self._open({}), True
        except BaseException:
            self._slots.release()
            raise

    def _release(self, connection: Connection) -> None:
        self._slots.release()
        if connection.is_closed():
            return
        if self._closed or connection.generation != self._generation or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection, _ = await self._acquire()
        try:
            yield connection
        finally:
            self._release(connection)

    async def _begin(self) -> tuple[Connection, Transaction]:
        while True:
            connection, new = await self._acquire()
            transaction = connection.transaction()
            # A connection that was kept may have ended meanwhile, which is no outage; and nothing was done yet.
            connection.owner = self if new else None
            try:
                await transaction.start()
            except BaseException as problem:
                connection.terminate()
                self._release(connection)
                if isinstance(problem, TimeoutError):
                    raise self._lost(f"no answer within {self.timeout:g} s") from None
                if new or not isinstance(problem, (OSError, *DRIVER_ERRORS)):
                    raise
            else:
                connection.owner = self
                return connection, transaction


async def _roll_back(connection: Connection, transaction: Transaction, problem: BaseException) -> None:
    if connection.is_closed():
        return
    if isinstance(problem, GeneratorExit):  # nobody will wait for us
        connection.terminate()
        return
    try:
        await transaction.rollback()
    except (DatabaseUnavailable, *DRIVER_ERRORS):
        connection.terminate()  # which rolls back as well
