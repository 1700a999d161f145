"""Worker: what the tests of one process share, a data store that is started at its first use."""

from typing import TYPE_CHECKING

from seatrial.errors import SeatrialError
from seatrial.processes.supervisor import Supervisor

if TYPE_CHECKING:
    from seatrial.processes.logfile import Mark
    from seatrial.stores.store import Store


class Worker:
    """Owner of the shared Valkey. One that a test broke is replaced, never mended."""

    def __init__(self) -> None:
        self._valkey: Store | None = None

    def empty_valkey(self) -> "tuple[Store, Mark | None]":
        """The store, proven empty, and where its log ends now; raises SeatrialError when that cannot be had."""
        from seatrial.stores.valkey import worker_valkey

        store = self._valkey
        if store is not None:
            try:
                store.reset()
            except SeatrialError:
                self._discard()
                store = None
        if store is None:
            store = worker_valkey(Supervisor.current().temporary_directory("valkey", scope="run"))
            self._valkey = store
            store.reset()
        return store, store.process.log.mark() if store.process is not None else None

    def problems(self) -> list[SeatrialError]:
        """What a test did to the store that it may not do; such a store is not used again."""
        store = self._valkey
        if store is None or store.process is None:
            return []
        found: list[SeatrialError] = list(store.problems())
        if not found and store.process.state == "exited":
            found.append(
                SeatrialError("the test ended the Valkey that all tests share (use environment.own_valkey)")
            )
        if found:
            self._discard()
        return found

    def close(self) -> list[SeatrialError]:
        """Stop the store; answers what is wrong with it. Idempotent."""
        store, self._valkey = self._valkey, None
        if store is None:
            return []
        store.close()
        return list(store.problems())

    def _discard(self) -> None:
        store, self._valkey = self._valkey, None
        if store is not None:
            store.close()
