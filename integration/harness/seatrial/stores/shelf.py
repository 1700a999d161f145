"""The stores of a test: those that all tests of its worker share, and its own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.processes.process import Event
from seatrial.teardown import Teardown

if TYPE_CHECKING:
    from seatrial.processes.logfile import LogFile, Mark
    from seatrial.stores.postgres import Postgres
    from seatrial.stores.postgres_server import PostgresServer
    from seatrial.stores.store import Store
    from seatrial.stores.valkey import Valkey
    from seatrial.worker import Worker


class Shelf:
    """Nothing is started before it is asked for. `unique` finds a name that no other part of the test has."""

    def __init__(
        self,
        worker: "Worker",
        directory: Callable[[], Path],
        unique: Callable[[str, str | None], str],
        on_event: Callable[[Event], None],
    ) -> None:
        self._worker = worker
        self._directory = directory
        self._unique = unique
        self._on_event = on_event
        self._valkey: tuple[Store, Mark | None] | None = None
        self._postgres: tuple[Postgres, Mark | None] | None = None
        self._own: list[Valkey | PostgresServer] = []

    @property
    def valkey(self) -> "Store":
        """This worker's Valkey, proven empty."""
        if self._valkey is None:
            self._valkey = self._worker.empty_valkey()
        return self._valkey[0]

    @property
    def postgres(self) -> "Postgres":
        """This worker's PostgreSQL server."""
        if self._postgres is None:
            self._postgres = self._worker.postgres()
        return self._postgres[0]

    def own_valkey(self, name: str, *, persistent: bool) -> "Valkey":
        """A Valkey of this test alone, started."""
        from seatrial.stores.valkey import Valkey

        unique = self._unique(name, None)
        store = Valkey(
            self._directory() / unique,
            name=unique,
            persistent=persistent,
            on_event=self._on_event,
            scope="test",
        )
        self._own.append(store)
        store.start()
        return store

    def own_postgres(self, name: str, settings: Mapping[str, str]) -> "PostgresServer":
        """A PostgreSQL server of this test alone, started."""
        from seatrial.stores.postgres_server import PostgresServer

        unique = self._unique(name, None)
        server = PostgresServer(
            self._directory() / unique,
            name=unique,
            killable=True,
            settings=settings,
            on_event=self._on_event,
            scope="test",
        )
        self._own.append(server)
        server.start()
        return server

    @property
    def all(self) -> "tuple[Store | Postgres, ...]":
        """Every store in use, the worker's first."""
        shared = (its[0] for its in (self._valkey, self._postgres) if its is not None)
        return (*shared, *self._own)

    @property
    def names(self) -> set[str]:
        """The names of the test's own."""
        return {store.name for store in self._own}

    def logs(self) -> "dict[str, tuple[LogFile, Mark | None]]":
        """The log of each server that is ours: since where it is the test's."""
        shared = (its for its in (self._valkey, self._postgres) if its is not None)
        every = (*shared, *((store, None) for store in self._own))
        return {store.name: (store.log, since) for store, since in every if store.log is not None}

    def close(self, teardown: Teardown) -> None:
        """Stop and judge the test's own, judge those that are shared."""
        for store in reversed(self._own):
            teardown.attempt(f"stopping {store.name}", store.close)
            teardown.add(teardown.attempt(f"judging {store.name}", store.problems))
        if self._valkey is not None:
            teardown.add(teardown.attempt("judging the worker's Valkey", self._worker.valkey_problems))
        if self._postgres is not None:
            teardown.add(teardown.attempt("judging the worker's PostgreSQL", self._worker.postgres_problems))
