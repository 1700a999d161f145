"""Consuming a stream idempotently: what was handled is remembered in the transaction that handled it.

A service has the table in a migration of its own, which contains :data:`MIGRATION`::

    async def handle(entry: Entry) -> None:
        async with database.transaction() as connection:
            if await inbox.seen(connection, STREAM, entry.id):
                return
            ...
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from servicekit.postgres import Connection, Database, DatabaseUnavailable

#: The SQL of the table; a service's own migration contains it.
MIGRATION: Final = """\
CREATE TABLE inbox (
    stream text NOT NULL,
    entry_id text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, entry_id)
);
CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);
"""

#: Rows that one statement of the pruning deletes.
PRUNE_BATCH: Final = 5000

# In the order of the ids: two transactions with the same entries must not wait for each other.
_ADD: Final = """
INSERT INTO inbox (stream, entry_id)
SELECT $1, entry_id FROM unnest($2::text[]) AS entry_id ORDER BY entry_id
ON CONFLICT DO NOTHING RETURNING entry_id
"""
_PRUNE: Final = """
DELETE FROM inbox WHERE (stream, entry_id) IN (
    SELECT stream, entry_id FROM inbox WHERE seen_at < now() - make_interval(secs => $1::float8) LIMIT $2
)
"""


async def seen(connection: Connection, stream: str, entry_id: str) -> bool:
    """Say whether the entry was handled before; if not, it is from this transaction's commit on.

    Waits for another transaction that is handling it. Raises what the connection raises.
    """
    return bool(await seen_of(connection, stream, [entry_id]))


async def seen_of(connection: Connection, stream: str, entry_ids: Sequence[str]) -> set[str]:
    """Give those of the entries that were handled before; the others are from this transaction's commit on."""
    rows = await connection.fetch(_ADD, stream, list(entry_ids))
    return set(entry_ids) - {row["entry_id"] for row in rows}


async def prune(database: Database, *, retention_s: float) -> int:
    """Forget what was handled more than ``retention_s`` seconds ago; give how many entries. Raises DatabaseUnavailable."""
    total = 0
    while True:
        deleted = int((await database.execute(_PRUNE, retention_s, PRUNE_BATCH)).split()[-1])
        total += deleted
        if deleted < PRUNE_BATCH:
            return total


async def keep_pruned(
    database: Database, *, retention_s: float = 7 * 24 * 3600, every_s: float = 600
) -> None:
    """Prune for ever: ``context.task(inbox.keep_pruned(database), name="inbox")``.

    An entry that comes again after ``retention_s`` seconds is handled again: it must be longer than any outage.
    """
    while True:
        with suppress(DatabaseUnavailable):  # the watcher was told; the next time will do
            await prune(database, retention_s=retention_s)
        await asyncio.sleep(every_s)
