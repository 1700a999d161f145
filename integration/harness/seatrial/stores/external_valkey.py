"""A database of a Redis or Valkey server that is not ours: used with care, and never ended."""

import contextlib
import re
from collections.abc import Mapping
from typing import Final, Self

from seatrial.errors import SeatrialError
from seatrial.processes.listener import Address
from seatrial.rules.capability import REAL_REDIS_VARIABLE
from seatrial.stores.resp import Conversation, clients, conversation
from seatrial.stores.store import CLIENT_NAME, Store, StoreError, StoreNotEmpty

_LAST_DATABASE: Final = 15
_PORT: Final = 6379


def parse(place: str, worker: str = "") -> tuple[Address, int]:
    """Address and database of `host`, `host:port`, `host:port/database` or a redis:// URL; raises `StoreError`.

    The first worker takes the named database (15 when none is named), the second one the number below, and so on.
    """
    match = re.fullmatch(
        r"(?:redis://)?(\[[0-9a-fA-F:.]+\]|[^\[\]:/@\s]+)(?::([0-9]{1,5}))?(?:/([0-9]{1,6}))?/?", place
    )
    if match is None or not 0 < int(match[2] or _PORT) < 65536:
        raise StoreError(f"{REAL_REDIS_VARIABLE}={place}: not host:port or host:port/database; correct it")
    host, port = match[1].strip("[]"), int(match[2] or _PORT)
    first = int(match[3] or _LAST_DATABASE)
    number = re.fullmatch(r"gw([0-9]+)", worker)
    database = first - (int(number[1]) if number else 0)
    if database < 0:
        raise StoreError(
            f"{REAL_REDIS_VARIABLE}={place}: no database is left for {worker}; use fewer workers"
        )
    return Address(host, port), database


class ExternalValkey(Store):
    """One database of a server that somebody else runs.

    It is taken only when it is empty and no other run has taken it, which a connection with a telling name shows to
    others. Afterwards this database alone is flushed, and only clients that have selected it are cut off.
    """

    def __init__(self, place: str, worker: str = "") -> None:
        self._address, self._database = parse(place, worker)
        super().__init__(f"external-valkey-{self._database}")
        self._claim_name = f"seatrial-claim-{self._database}"
        self._claim: Conversation | None = None
        self._held = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<ExternalValkey {self.url}>"

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._address

    @property
    def database(self) -> int:
        """The number of the database that is the tests'."""
        return self._database

    def start(self) -> Self:
        """Claim the database. Raises `StoreNotEmpty` when it has keys, `StoreError` when another run uses it."""
        if self._claim is not None:
            raise StoreError(f"{self.name} was started already")
        with contextlib.ExitStack() as held:
            talk = held.enter_context(conversation(self.address, self.database))
            # First the claim, then the look for others': of two runs at the same time at least one sees the other.
            talk.one("CLIENT", "SETNAME", self._claim_name)
            me = str(talk.one("CLIENT", "ID"))
            for client in clients(talk.one("CLIENT", "LIST")):
                if client.get("name") == self._claim_name and client["id"] != me:
                    raise StoreError(
                        f"{self.url} is in use by another run ({client['addr']}); wait for its end, or choose another"
                        f" database: {REAL_REDIS_VARIABLE}={self.address}/<number>"
                    )
            if keys := talk.one("DBSIZE"):
                raise StoreNotEmpty(
                    f"{self.url} has {keys} keys, and they are not ours to flush; choose an empty database:"
                    f" {REAL_REDIS_VARIABLE}={self.address}/<number>"
                )
            self._claim = talk
            self._held = held.pop_all()
        return self

    def reset(self) -> tuple[str, ...]:
        """Flush this database, cut off whoever has selected it, and prove that it is empty."""
        self._disconnect()
        try:
            return self._reset(self._claimed())
        except StoreError as error:
            raise StoreNotEmpty(f"{self.name} cannot be reset: {error}") from None

    def left_connected(self) -> tuple[str, ...]:
        """A description of each client that has selected our database and did not come from `client`; raises `StoreError`."""
        return tuple(
            _described(client)
            for client in self._others(self._claimed())
            if client.get("name") != CLIENT_NAME
        )

    def _others(self, talk: Conversation) -> list[Mapping[str, str]]:
        me, connected = talk.transaction(("CLIENT", "ID"), ("CLIENT", "LIST"))
        return [
            client
            for client in clients(connected)
            if client.get("db") == str(self.database) and client["id"] != str(me)
        ]

    def _reset(self, talk: Conversation) -> tuple[str, ...]:
        cut_off = []
        for client in self._others(talk):
            talk.one("CLIENT", "KILL", "ID", client["id"])
            if client.get("name") != CLIENT_NAME:
                cut_off.append(_described(client))
        _, keys = talk.transaction(("FLUSHDB", "SYNC"), ("DBSIZE",))
        if keys:
            raise StoreError(f"{keys} keys are left after FLUSHDB")
        return tuple(cut_off)

    def close(self) -> None:
        """Flush the database and give it back. Idempotent."""
        self._disconnect()
        if self._claim is not None:
            # A server that is gone by now keeps what it has; whoever uses it next is told.
            with self._held, contextlib.suppress(StoreError):
                self._claim.one("FLUSHDB", "SYNC")
            self._claim = None

    def problems(self) -> tuple[SeatrialError, ...]:
        """None: what the server does beside our database is not ours to judge."""
        return ()

    def _claimed(self) -> Conversation:
        if self._claim is None:
            raise StoreError(f"{self.name} is not claimed; call start() first")
        return self._claim


def _described(client: Mapping[str, str]) -> str:
    return f"{client.get('addr')} (last command {client.get('cmd')})"
