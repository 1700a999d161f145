"""Migrations of a database: numbered files of plain SQL, ``0001_games.sql``, applied in order, each in a transaction.

Not alembic: importing it costs a boot 340 to 500 ms. The table ``schema_migrations`` says what was applied; a file that was
changed or removed afterwards is an error, and so is a database that a newer release has migrated. Instances that start at
the same time take turns by an advisory lock of the database.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from servicekit import logs
from servicekit.failures import StartError

if TYPE_CHECKING:
    import asyncpg

#: Seconds that one migration may take, and the wait for an instance that is migrating.
TIMEOUT_S: Final = 600.0

#: "seatrial" as a number: who else takes advisory locks in the database must not use it.
LOCK: Final = 0x7365617472

_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
#: The statements that would end the transaction that a migration runs in. PL/pgSQL's BEGIN has no semicolon.
_TRANSACTION: Final = re.compile(
    r"^[ \t]*(begin|start\s+transaction|commit|rollback)\b[^;\n]*;", re.IGNORECASE | re.MULTILINE
)
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_APPLIED: Final = "SELECT version, name, sha256 FROM schema_migrations ORDER BY version"

_log = logs.get("servicekit.migrations")


class MigrationError(StartError):
    """A migration is wrong, or does not fit the database. The text names the file."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name, its text, and the checksum of its bytes."""

    version: int
    name: str
    sql: str
    sha256: str


def load(folder: Path | Traversable) -> list[Migration]:
    """Read a folder's migrations in their order.

    Raises MigrationError when a name has another form, a number is missing or taken twice, or a file is not readable or
    ends the transaction that it runs in.
    """
    found: list[Migration] = []
    try:
        files = sorted(
            (each for each in folder.iterdir() if each.name.endswith(".sql")), key=lambda each: each.name
        )
        contents = [(file.name, file.read_bytes()) for file in files]
    except OSError as problem:
        raise MigrationError(f"the migrations in {folder} cannot be read: {problem.strerror}") from None
    for number, (name, content) in enumerate(contents, 1):
        matched = _NAME.fullmatch(name)
        if matched is None:
            raise MigrationError(f"{name}: is not called like 0001_what_it_does.sql (rename it)")
        version = int(matched[1])
        if version != number:
            reason = (
                "has a number that is taken" if version < number else f"comes where {number:04} is missing"
            )
            raise MigrationError(f"{name}: {reason} (number the files from 0001 on, without gaps)")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise MigrationError(f"{name}: is not UTF-8 text (save it as UTF-8)") from None
        if ends := _TRANSACTION.search(text):
            line = text.count("\n", 0, ends.start(1)) + 1
            raise MigrationError(
                f"{name}, line {line}: {ends[1].upper()} (leave it out: every migration runs in a transaction of its own)"
            )
        found.append(Migration(version, name, text, hashlib.sha256(content).hexdigest()))
    return found


async def apply(
    connection: "asyncpg.Connection[Any]", migrations: Sequence[Migration], *, allow_newer: bool = False
) -> list[str]:
    """Bring the database to the newest migration and give the names of those that were applied now.

    Nothing else may use ``connection`` meanwhile. It waits for another instance that is migrating. A database that is
    newer than ``migrations`` is an error unless ``allow_newer``.

    Raises MigrationError, and asyncpg's errors when the connection is lost.
    """
    import asyncpg

    if await _is_current(connection, migrations, allow_newer=allow_newer):
        return []
    await connection.execute(f"SET statement_timeout = {int(TIMEOUT_S * 1000)}")
    # Of the session, not of a transaction: it is held from one migration's transaction to the next.
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=TIMEOUT_S)
    try:
        await connection.execute(_TABLE)
        applied = await _applied(connection, migrations, allow_newer=allow_newer)
        names: list[str] = []
        for migration in migrations[applied:]:
            try:
                async with connection.transaction():
                    await connection.execute(migration.sql, timeout=TIMEOUT_S)
                    await connection.execute(
                        "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)",
                        migration.version, migration.name, migration.sha256,
                    )  # fmt: skip
            except asyncpg.PostgresError as problem:
                if connection.is_closed() or isinstance(problem, asyncpg.OperatorInterventionError):
                    raise
                raise MigrationError(_describe(migration, problem)) from None
            _log.info("migration_applied", migration=migration.name)
            names.append(migration.name)
        return names
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
            await connection.execute("RESET statement_timeout")


async def _is_current(
    connection: "asyncpg.Connection[Any]", migrations: Sequence[Migration], *, allow_newer: bool
) -> bool:
    """Say whether there is nothing to do, which needs no lock."""
    import asyncpg

    try:
        return await _applied(connection, migrations, allow_newer=allow_newer) >= len(migrations)
    except asyncpg.UndefinedTableError:
        return False


async def _applied(
    connection: "asyncpg.Connection[Any]", migrations: Sequence[Migration], *, allow_newer: bool
) -> int:
    """Give how many migrations the database has, after comparing them with ours."""
    rows = await connection.fetch(_APPLIED)
    for number, row in enumerate(rows, 1):
        name: str = row["name"]
        if row["version"] != number:
            raise MigrationError(f"schema_migrations has no row {number}, but has {name} (restore the row)")
        if number > len(migrations):
            if allow_newer:
                break
            raise MigrationError(
                f"{name}: was applied to the database and is not in this release, whose last migration is number "
                f"{len(migrations)} (run the release that has it, or restore a backup of before)"
            )
        ours = migrations[number - 1]
        if ours.name != name:
            raise MigrationError(
                f"{name}: was applied to the database and is missing here, where {ours.name} has its number "
                "(restore the file, and give the new one the next number)"
            )
        if ours.sha256 != row["sha256"]:
            raise MigrationError(
                f"{name}: was changed after it had been applied (restore it, and write the change as a new migration)"
            )
    return len(rows)


def _describe(migration: Migration, problem: "asyncpg.PostgresError") -> str:
    where = migration.name
    position = getattr(problem, "position", None)
    if position is not None:
        where += f", line {migration.sql.count(chr(10), 0, int(position) - 1) + 1}"
    return f"{where}: {problem.args[0] if problem.args else type(problem).__name__} (nothing of it was applied; correct it)"
