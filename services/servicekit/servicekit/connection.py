"""A connection to PostgreSQL: asyncpg's, with our idea of what is an outage."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, Protocol, TypeVar

import asyncpg
from asyncpg.transaction import Transaction

from servicekit.failures import Unavailable

if TYPE_CHECKING:
    _Base = asyncpg.Connection[asyncpg.Record]
else:
    _Base = asyncpg.Connection

P = ParamSpec("P")
T = TypeVar("T")

Isolation = Literal["read_committed", "read_uncommitted", "repeatable_read", "serializable"]

#: What the server says when it cannot serve now, not that the statement is wrong.
NOT_NOW: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, starting
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.PostgresSystemError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # it was demoted
)
#: Lost a race; the same work can succeed when it is done again. Nothing is wrong with the server.
AGAIN: Final = (
    asyncpg.QueryCanceledError,  # its time was up; an OperatorInterventionError by its class
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
#: Everything that asyncpg raises; the last one also when it has just read why the server is about to end the connection.
DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class DatabaseUnavailable(Unavailable):
    """The database could not be reached, is not migrated, or did not answer in time.

    Whether it has done the work is unknown, except that a transaction whose COMMIT was not sent is rolled back.
    """


class Owner(Protocol):
    """What a connection belongs to, which is told how its statements went."""

    def answered(self) -> None:
        """The server did what it was asked for."""

    def judge(self, problem: Exception, connection: "Connection") -> DatabaseUnavailable | None:
        """Say whether an error is the server's fault and not the statement's."""


class _Transaction(Transaction):
    """asyncpg's transaction or savepoint, whose end does not hide what ended it."""

    _connection: "Connection"

    async def __aexit__(self, kind: object, problem: object, trace: object) -> None:
        if problem is None:
            await super().__aexit__(kind, problem, trace)
        elif not self._connection.is_closed():
            try:
                await super().__aexit__(kind, problem, trace)
            except (DatabaseUnavailable, *DRIVER_ERRORS):
                self._connection.terminate()  # which rolls back as well


class Connection(_Base):
    """asyncpg's connection, whose statements raise DatabaseUnavailable when the server cannot serve.

    Other errors are asyncpg's: ``asyncpg.UniqueViolationError`` and so on. Do not keep it beyond its ``async with``, and set
    nothing that outlives the transaction (``SET LOCAL``, not ``SET``; no ``LISTEN``): it is used again. Savepoints are
    ``async with connection.transaction()``.
    """

    #: The database that it belongs to; None while it connects.
    owner: Owner | None = None
    #: The number of outages that the database had seen when it was made.
    generation = 0

    async def execute(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - asyncpg's own parameter
    ) -> str:
        """As asyncpg's, but a COMMIT that the server turned into a ROLLBACK is an error."""
        status = await super().execute(query, *args, timeout=timeout)
        if status == "ROLLBACK" and query == "COMMIT;":
            raise RuntimeError("nothing was committed: a statement had failed and its error was swallowed")
        return status

    def transaction(
        self, *, isolation: Isolation | None = None, readonly: bool = False, deferrable: bool = False
    ) -> Transaction:
        """Give asyncpg's transaction, a savepoint inside another one."""
        return _Transaction(self, isolation, readonly, deferrable)


def _guarded(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Make a connection's method raise DatabaseUnavailable for what is the server's fault."""

    @functools.wraps(method)
    async def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        connection: Any = args[0]
        owner: Owner | None = connection.owner
        try:
            result = await method(*args, **kwargs)
        except asyncio.CancelledError:
            connection.terminate()
            raise
        except (TimeoutError, OSError, *DRIVER_ERRORS) as problem:
            if isinstance(problem, TimeoutError | asyncpg.InternalClientError):
                connection.terminate()
            unavailable = owner.judge(problem, connection) if owner is not None else None
            if unavailable is None:
                raise
            raise unavailable from None
        if owner is not None:
            owner.answered()
        return result

    return guarded


for _name in (
    "copy_records_to_table",
    "execute",
    "executemany",
    "fetch",
    "fetchmany",
    "fetchrow",
    "fetchval",
):
    setattr(Connection, _name, _guarded(getattr(Connection, _name)))
