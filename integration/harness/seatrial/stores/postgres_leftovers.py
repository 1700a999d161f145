"""What a test left behind on a PostgreSQL server: connections, open transactions, locks, changes that outlast its databases."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seatrial.errors import ProcessDied, WaitTimeout
from seatrial.processes.listener import Address
from seatrial.stores.postgres_session import HARNESS, TEST, Session
from seatrial.stores.store import StoreError
from seatrial.waiting import until

_GRACE: Final = 0.25
"""Seconds for connections that their clients have just closed."""
_PATIENCE: Final = 5.0
_SESSIONS: Final = """
SELECT a.datname, a.pid, a.application_name, a.client_port, a.state, left(a.query, 200),
       (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')
FROM pg_stat_activity a
WHERE a.datname = ANY (%s) AND a.backend_type = 'client backend' AND a.application_name <> %s
ORDER BY a.backend_start"""
_ENDED: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s AND application_name IS DISTINCT FROM %s"""
_PREPARED: Final = "SELECT database, gid FROM pg_prepared_xacts WHERE database = ANY (%s) ORDER BY gid"

# What all databases of a server have in common, and a service's role might change; `pg_roles` hides passwords.
_COMMON: Final = """
SELECT 'role ' || rolname, md5(r::text) FROM pg_authid r
UNION ALL SELECT 'membership of role ' || member::regrole::text || ' in ' || roleid::regrole::text, md5(m::text)
  FROM pg_auth_members m
UNION ALL SELECT 'setting of role ' || setrole::regrole::text, setconfig::text FROM pg_db_role_setting WHERE setdatabase = 0
UNION ALL SELECT 'tablespace ' || spcname, md5(t::text) FROM pg_tablespace t
UNION ALL SELECT 'replication slot ' || slot_name, '' FROM pg_replication_slots
UNION ALL SELECT 'subscription ' || subname, '' FROM pg_subscription
UNION ALL SELECT 'privilege on parameter ' || parname, paracl::text FROM pg_parameter_acl
UNION ALL SELECT 'prepared transaction ' || gid, '' FROM pg_prepared_xacts
UNION ALL SELECT 'template ' || datname, (datistemplate, datallowconn, datdba)::text FROM pg_database
  WHERE datname LIKE 'template%%'
UNION ALL SELECT 'database ' || datname, '' FROM pg_database WHERE datname NOT LIKE 'template%%' AND datname <> ALL (%s)"""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A client's session as the server shows it. `port` is the client's TCP port, None for a Unix socket."""

    database: str
    pid: int
    application: str
    port: int | None
    state: str
    query: str
    advisory_locks: int

    @property
    def in_transaction(self) -> bool:
        """Whether it waits for its client in the middle of a transaction."""
        return self.state.startswith("idle in transaction")

    @property
    def harmless(self) -> bool:
        """A connection of `Database.connect` that holds nothing: the harness closes it."""
        return self.application == TEST and self.state == "idle" and not self.advisory_locks

    def __str__(self) -> str:
        words = [f"process {self.pid}", f"application {self.application or 'without a name'!r}", self.state]
        words.append("through the Unix socket" if self.port is None else f"from port {self.port}")
        if self.query:
            words.append(f"last statement: {' '.join(self.query.split())}")
        return ", ".join(words)

    def complaint(self) -> str:
        """What was left, and the remedy."""
        if self.advisory_locks:
            what, remedy = (
                f"{self.advisory_locks} advisory lock{'s' * (self.advisory_locks > 1)} held",
                "release them (pg_advisory_unlock), or close the connection",
            )
        elif self.in_transaction:
            what, remedy = "a transaction open", "commit it or roll it back"
        else:
            what, remedy = (
                "a connection open",
                "close it, or take it from Database.connect, which is closed for you",
            )
        return f"{self.database}: the test left {what} ({self}); {remedy}"


def sessions(server: Session, databases: Sequence[str]) -> list[SessionInfo]:
    """Who is connected to these databases, the harness itself left out."""
    rows = server.rows(_SESSIONS, [list(databases), HARNESS])
    return [
        SessionInfo(
            database,
            pid,
            name or "",
            port if port and port > 0 else None,
            state or "unknown",
            query or "",
            locks,
        )
        for database, pid, name, port, state, query, locks in rows
    ]


def prepared(server: Session, databases: Sequence[str]) -> list[tuple[str, str]]:
    """The prepared transactions in these databases: database and name."""
    return [(database, gid) for database, gid in server.rows(_PREPARED, [list(databases)])]


def end_sessions(server: Session, database: str, *, spared: str = "") -> None:
    """Cut off everybody but the application `spared`, and return when they are gone; raises `StoreError` when one stays.

    The server's own ways to wait for that look every 100 ms.
    """

    def gone() -> bool:
        return server.rows(_ENDED, [database, spared]) == [(0,)]

    try:
        until(f"the sessions of {database} to end", gone, _PATIENCE)
    except (WaitTimeout, ProcessDied) as error:
        raise StoreError(str(error)) from None


def left_behind(server: Session, databases: Sequence[str], address: Address | None) -> list[str]:
    """A complaint for each thing that a test left in its databases, once its processes have ended.

    What is just being closed gets a quarter of a second. A session whose client is dead is nobody's fault: where the server is
    on this machine, at `address`, the kernel tells.
    """
    left: list[SessionInfo] = []

    def nobody() -> bool:
        left[:] = [
            each for each in sessions(server, databases) if not each.harmless and not _hung_up(each, address)
        ]
        return not left

    with contextlib.suppress(WaitTimeout, ProcessDied):
        until("the clients of the test's databases to be gone", nobody, _GRACE)
    complaints = [each.complaint() for each in left]
    complaints += [
        f"{database}: the test left the prepared transaction {gid!r};"
        " end it with COMMIT PREPARED or ROLLBACK PREPARED"
        for database, gid in prepared(server, databases)
    ]
    return complaints


def common_state(server: Session, known: Sequence[str]) -> Mapping[str, Any]:
    """What the databases of a server share, the databases in `known` left out."""
    return dict(server.rows(_COMMON, [list(known)]))


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How two states differ, for a person."""
    return [
        *(f"there is a {name}" for name in sorted(now.keys() - before.keys())),
        *(f"{name} is gone" for name in sorted(before.keys() - now.keys())),
        *(
            f"{name} is another one"
            for name in sorted(before.keys() & now.keys())
            if before[name] != now[name]
        ),
    ]


def _hung_up(session: SessionInfo, address: Address | None) -> bool:
    """Whether the client's end of a connection is closed, as the kernel's table of connections shows it (proc_net_tcp(5))."""
    if address is None or session.port is None:
        return False
    established, client, server = "01", f"{session.port:04X}", f"{address.port:04X}"
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, remote, state, *_ = line.split()
            if local.endswith(f":{client}") and remote.endswith(f":{server}") and state == established:
                return False
    return Path("/proc/self/net/tcp").exists()
