"""One database of a test: the DSN for services, connections for the test, and a reset that is proven."""

from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakSet

from seatrial.stores.postgres_session import CONNECT_TIMEOUT, TEST, Session, of_database, reason
from seatrial.stores.postgres_template import Template
from seatrial.stores.store import StoreError

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import QueryNoTemplate
    from psycopg.rows import DictRow, RowFactory

R = TypeVar("R")


class Owner(Protocol):
    """What a database needs of its server."""

    def reset(self, database: "Database") -> tuple[str, ...]:
        """As `Database.reset`."""


class Database:
    """A copy of a template, dropped at the end of the test."""

    def __init__(self, owner: Owner, name: str, template: Template, service_url: str) -> None:
        self.name = name
        self.template = template
        self.dsn = of_database(service_url, name)
        """`postgresql://user:password@host:port/name`: its role owns the database, and is no superuser."""
        self.complaints: list[str] = []
        """What resets found that a test had left; told at the end of the test."""
        self._owner = owner
        self._connections: WeakSet[psycopg.Connection[Any]] = WeakSet()
        self._own: psycopg.Connection[DictRow] | None = None
        self.session: Session | None = None
        """The harness' own way in, once there was a reset."""

    def __repr__(self) -> str:
        return f"<Database {self.name}>"

    def connect(self, *, autocommit: bool = True) -> "psycopg.Connection[tuple[Any, ...]]":
        """A psycopg connection that `reset` and the end of the test close. Raises `StoreError`.

        It must not be left in a transaction, or with an advisory lock, at the end of the test.
        """
        from psycopg.rows import tuple_row

        return self._connected(tuple_row, autocommit=autocommit)

    def fetch(self, query: "QueryNoTemplate", *parameters: Any) -> "list[DictRow]":
        """The rows that a query answers, each as a dict; `%s` stands for a parameter. Raises what psycopg raises."""
        return self._ours().execute(query, parameters or None).fetchall()

    def value(self, query: "QueryNoTemplate", *parameters: Any) -> Any:
        """The first column of the only row. Raises `StoreError` when there is no row, or more than one."""
        rows = self.fetch(query, *parameters)
        if len(rows) != 1:
            raise StoreError(f"{self.name}: {query!r} answered {len(rows)} rows, not one")
        return next(iter(rows[0].values()))

    def execute(self, query: "QueryNoTemplate", *parameters: Any) -> int:
        """Execute a statement in a transaction of its own; answers how many rows it touched. Raises what psycopg raises."""
        return self._ours().execute(query, parameters or None).rowcount

    def reset(self) -> tuple[str, ...]:
        """Make it as its template is, and prove it: the same catalogue, the same rows, the same next numbers of sequences.

        Whoever is connected is cut off first; an answer for each that was not the harness', a complaint at the end of the
        test as well. Raises `StoreNotEmpty` that names the difference when the proof fails: such a database is not to be
        used again.
        """
        return self._owner.reset(self)

    def disconnect(self) -> None:
        """Close every connection that the test was given."""
        for connection in self._connections:
            connection.close()

    def leave(self) -> None:
        """Close the harness' own, which are made again when they are needed."""
        if self._own is not None:
            self._own.close()
        if self.session is not None:
            self.session.close()

    def _ours(self) -> "psycopg.Connection[DictRow]":
        if self._own is None or self._own.closed:
            from psycopg.rows import dict_row

            self._own = self._connected(dict_row)
        return self._own

    def _connected(self, rows: "RowFactory[R]", *, autocommit: bool = True) -> "psycopg.Connection[R]":
        import psycopg

        try:
            connection = psycopg.connect(
                self.dsn,
                autocommit=autocommit,
                row_factory=rows,
                application_name=TEST,
                connect_timeout=CONNECT_TIMEOUT,
            )
        except psycopg.Error as error:
            raise StoreError(f"{self.name} cannot be connected to: {reason(error)}") from error
        self._connections.add(connection)
        return connection
