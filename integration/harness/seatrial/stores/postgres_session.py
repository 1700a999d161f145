"""The harness' own connections to a PostgreSQL server, and the addresses under which a server's databases are reached."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from seatrial.stores.store import StoreError

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import QueryNoTemplate

CONNECT_TIMEOUT: Final = 5
STATEMENT_TIMEOUT: Final = 30
"""Seconds within which a server must do what the harness asks of it."""
HARNESS: Final = "seatrial-harness"
"""The application_name of the harness' own sessions, which are no strangers to it."""
TEST: Final = "seatrial-test"
"""The application_name of the connections that the harness gives to a test."""


def of_database(url: str, database: str) -> str:
    """The same server's other database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached: `admin` and `service` are URLs of its maintenance database, for the harness and for tests.

    `owner` is the role behind `service`, which owns the databases of tests; `prefix` begins the name of each of them.
    """

    admin: str
    service: str
    owner: str
    prefix: str = ""


def reason(error: "psycopg.Error") -> str:
    """What an error of the driver says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


class Session:
    """One connection, made at its first use, and again when it was lost; one statement at a time, from any thread.

    Every method raises `StoreError`, with the server's reason.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    @contextlib.contextmanager
    def connection(self) -> "Iterator[psycopg.Connection[tuple[Any, ...]]]":
        """The connection, in autocommit mode, for nobody else meanwhile; what the driver raises becomes `StoreError`."""
        import psycopg

        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(
                        self._url,
                        autocommit=True,
                        application_name=HARNESS,
                        connect_timeout=CONNECT_TIMEOUT,
                        options=f"-c statement_timeout={STATEMENT_TIMEOUT}s",
                    )
                yield self._connection
            except psycopg.Error as error:
                raise StoreError(reason(error)) from error

    def rows(
        self, query: "QueryNoTemplate", parameters: Sequence[Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """The rows that a query answers."""
        with self.connection() as connection:
            return connection.execute(query, parameters).fetchall()

    def run(self, query: "QueryNoTemplate", parameters: Sequence[Any] | None = None) -> None:
        """Execute a statement, or several without parameters."""
        with self.connection() as connection:
            connection.execute(query, parameters)

    def close(self) -> None:
        """Close it; the next use makes another. Idempotent."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
