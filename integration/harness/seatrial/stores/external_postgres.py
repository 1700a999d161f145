"""A PostgreSQL server that is not ours: it is given databases with a name that says so, and no other is touched."""

import contextlib
import os
import secrets
from typing import Final, Self
from urllib.parse import urlsplit

from seatrial.errors import SeatrialError
from seatrial.processes.listener import Address
from seatrial.rules.capability import REAL_POSTGRES_VARIABLE
from seatrial.stores.postgres import Postgres
from seatrial.stores.postgres_database import Database
from seatrial.stores.postgres_install import OLDEST
from seatrial.stores.postgres_session import Access
from seatrial.stores.store import StoreError, StoreNotEmpty

_PORT: Final = 5432


def parse(dsn: str) -> Address:
    """Where a `postgresql://user:password@host:port/database` leads; raises `StoreError` that shows no password."""
    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:  # whose text may quote a part of the password
        raise StoreError(f"{REAL_POSTGRES_VARIABLE}: its host or port is malformed; correct it") from None
    if parts.scheme not in ("postgresql", "postgres") or not host or not parts.username or not parts.path[1:]:
        raise StoreError(
            f"{REAL_POSTGRES_VARIABLE} is not postgresql://user:password@host:port/database; correct it"
        )
    return Address(host, port)


class ExternalPostgres(Postgres):
    """A server that somebody else runs, with a role that may create databases.

    Every database and template of this run bears its prefix, `seatrial_<run>_`; nothing else is ever dropped, and `close` drops
    whatever bears it. A run that is killed leaves its databases: they are known by that name, and for a person to drop.
    """

    def __init__(self, dsn: str) -> None:
        super().__init__("external-postgres", ahead=False)
        self._dsn = dsn
        self._address = parse(dsn)
        # With a template's name 61 characters at most, and 63 are an identifier's limit
        self._prefix = f"seatrial_{os.getpid()}{secrets.token_hex(3)}_"
        self._superuser = False

    def __repr__(self) -> str:
        return f"<ExternalPostgres {self.url} {self._prefix}>"

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._address

    def start(self) -> Self:
        """Reach it; raises `StoreError` when it cannot be reached, is too old, or its role may not create databases."""
        if self._access is not None:
            raise StoreError(f"{self.name} was started already")
        try:
            self._meet(Access(self._dsn, self._dsn, urlsplit(self._dsn).username or "", self._prefix))
            flaw = self._flaw()
        except StoreError as error:
            flaw = str(error)
        if flaw is not None:
            self._part()
            self._access = None
            raise StoreError(f"{REAL_POSTGRES_VARIABLE} at {self.address} cannot be used: {flaw}")
        return self

    def _flaw(self) -> str | None:
        """Why it will not do."""
        ((version, role, self._superuser, creates),) = self._admin.rows(
            "SELECT current_setting('server_version_num')::int / 10000, rolname, rolsuper, rolcreatedb OR rolsuper"
            " FROM pg_roles WHERE rolname = current_user"
        )
        if version < OLDEST:
            return f"it is PostgreSQL {version}, and {OLDEST} is the oldest that will do"
        return (
            None if creates else f"its role {role} may not create databases; run: ALTER ROLE {role} CREATEDB"
        )

    def reset(self, database: Database) -> tuple[str, ...]:
        """As `Database.reset`. Only a superuser can put rows back behind triggers; else the database is copied anew."""
        if self._superuser:
            return super().reset(database)
        database.disconnect()
        try:
            cut_off = self._cut_off(database)
            self._drop(database.name)
            self._copy(self._admin, database.name, database.template)
        except StoreError as error:
            raise StoreNotEmpty(f"{database.name} cannot be reset: {error}") from None
        return cut_off

    def close(self) -> None:
        """Drop every database of this run, and leave. Idempotent."""
        if self._access is None:
            return
        with contextlib.suppress(StoreError):  # a server that is gone by now keeps what it has
            mine = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
            for (name,) in self._admin.rows(mine, [self._prefix]):
                self._drop(name)
        self._part()
        self._access = None

    def problems(self) -> tuple[SeatrialError, ...]:
        """None: what the server does beside our databases is not ours to judge."""
        return ()

    def _changes(self) -> list[str]:
        return []
