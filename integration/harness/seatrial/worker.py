"""Worker: what the tests of one process share, data stores that are started at their first use."""

import contextlib
from typing import TYPE_CHECKING, Final

from seatrial.errors import ProcessDied, SeatrialError, WaitTimeout
from seatrial.processes.supervisor import Supervisor
from seatrial.waiting import until

if TYPE_CHECKING:
    from seatrial.processes.logfile import Mark
    from seatrial.stores.postgres import Postgres
    from seatrial.stores.store import Store

_GRACE: Final = 0.25
"""Seconds for connections that their clients have just closed."""


class Worker:
    """Owner of the shared Valkey and PostgreSQL. One that a test broke is replaced, never mended."""

    def __init__(self) -> None:
        self._valkey: Store | None = None
        self._postgres: Postgres | None = None

    def empty_valkey(self) -> "tuple[Store, Mark | None]":
        """The Valkey, proven empty, and where its log ends now; raises SeatrialError when that cannot be had."""
        from seatrial.stores.valkey import worker_valkey

        store = self._valkey
        if store is not None:
            try:
                store.reset()  # whom it cuts off the test that left him has heard of
            except SeatrialError:
                self._valkey = None
                store.close()
                store = None
        if store is None:
            store = worker_valkey(Supervisor.current().temporary_directory("valkey", scope="run"))
            self._valkey = store
            store.reset()
        return store, store.process.log.mark() if store.process is not None else None

    def postgres(self) -> "tuple[Postgres, Mark | None]":
        """The PostgreSQL server, and where its log ends now; raises SeatrialError when it cannot be had."""
        from seatrial.stores.postgres import worker_postgres

        server = self._postgres
        if server is None:
            server = worker_postgres(Supervisor.current().temporary_directory("postgres", scope="run"))
            self._postgres = server
        return server, server.log.mark() if server.log is not None else None

    def valkey_problems(self) -> list[SeatrialError]:
        """What a test did to the Valkey that it may not do, and who is still connected once its processes have ended.

        A server that was broken is not used again.
        """
        store = self._valkey
        if store is None:
            return []
        found = _broken(store, "own_valkey")
        if found:
            self._valkey = None
            store.close()
            return found
        return _left_connected(store)

    def postgres_problems(self) -> list[SeatrialError]:
        """What a test did to the PostgreSQL server that it may not do, and what it left there; its databases are dropped.

        A server that cannot be proven clean is not used again.
        """
        from seatrial.stores.store import LeftBehind

        server = self._postgres
        if server is None:
            return []
        found = server.finish()
        broken = _broken(server, "own_postgres")
        if broken or not all(isinstance(each, LeftBehind) for each in found):
            self._postgres = None
            server.close()
        return [*broken, *found]

    def close(self) -> list[SeatrialError]:
        """Stop the stores; answers what is wrong with them. Idempotent."""
        stores = [store for store in (self._valkey, self._postgres) if store is not None]
        self._valkey = self._postgres = None
        found: list[SeatrialError] = []
        for store in stores:
            store.close()
            found += store.problems()
        return found


def _broken(store: "Store | Postgres", remedy: str) -> list[SeatrialError]:
    if store.process is None:
        return []
    found = list(store.problems())
    if not found and store.process.state == "exited":
        found.append(
            SeatrialError(f"the test ended the {store.name} that all tests share (use environment.{remedy})")
        )
    return found


def _left_connected(store: "Store") -> list[SeatrialError]:
    from seatrial.stores.store import LeftBehind, StoreError

    left: tuple[str, ...] = ()

    def nobody() -> bool:
        nonlocal left
        left = store.left_connected()
        return not left

    try:
        with contextlib.suppress(WaitTimeout, ProcessDied):
            until("the clients of the shared Valkey to be gone", nobody, _GRACE)
    except StoreError:
        return []  # a store that cannot be asked is replaced before the next test, when its reset fails
    return [
        LeftBehind(
            f"{store.name}: the test left a client connected: {client}; close it, or take it from"
            " environment.valkey.client(), which is closed for you"
        )
        for client in left
    ]
