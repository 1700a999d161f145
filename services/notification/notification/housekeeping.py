"""What is finished is forgotten after a while, and what needs somebody is counted."""

import asyncio
from typing import Final

from servicekit import logs
from servicekit.metrics import Registry
from servicekit.postgres import Database, DatabaseUnavailable

from notification.catalogue import CHANNELS

_log = logs.get("notification.housekeeping")

BATCH: Final = 100
"""Intents that one statement deletes: each may have a thousand routes, and the statement has a deadline."""

# With the intent go its routes, their dead letters that were resolved, and its conflicts. An intent with a route that is
# pending or dead stays, however old it is.
_PRUNE: Final = """
DELETE FROM intents WHERE id IN (
    SELECT i.id FROM intents i
    WHERE i.received_at_ms < now_ms() - $1::bigint AND NOT EXISTS (
        SELECT FROM routes r
        WHERE r.intent_id = i.id AND (r.finished_at_ms IS NULL OR r.finished_at_ms >= now_ms() - $1::bigint)
    )
    ORDER BY i.received_at_ms LIMIT $2
    FOR UPDATE SKIP LOCKED
)
"""
_PRUNE_USERS: Final = (
    "DELETE FROM user_states WHERE state = 'active' AND occurred_at_ms < now_ms() - $1::bigint"
)
_PENDING: Final = "SELECT channel, count(*) AS count FROM routes WHERE state = 'pending' GROUP BY channel"
_OPEN: Final = "SELECT channel, count(*) AS count FROM dead_letters WHERE status = 'open' GROUP BY channel"


class Housekeeping:
    """Prunes and counts, now and again."""

    def __init__(self, database: Database, metrics: Registry, *, retention_ms: int, interval_ms: int) -> None:
        """What was finished `retention_ms` ago is forgotten, every `interval_ms`."""
        self._database = database
        self._retention_ms = retention_ms
        self._interval_s = interval_ms / 1000
        self._gauges = (
            (_PENDING, metrics.gauge("notification_routes_pending", "Routes not yet done", ("channel",))),
            (_OPEN, metrics.gauge("notification_dead_letters_open", "Dead letters to resolve", ("channel",))),
        )

    async def run(self) -> None:
        """Prune and count until cancelled."""
        while True:
            try:
                await self.prune()
                await self.count()
            except DatabaseUnavailable:
                pass  # said by the database's watcher; the next round makes up for it
            await asyncio.sleep(self._interval_s)

    async def prune(self) -> int:
        """Forget what is old enough; gives how many intents. Raises DatabaseUnavailable."""
        total = 0
        while True:
            status = await self._database.execute(_PRUNE, self._retention_ms, BATCH)
            deleted = int(status.rpartition(" ")[2])
            total += deleted
            if deleted < BATCH:
                break
        await self._database.execute(_PRUNE_USERS, self._retention_ms)
        if total:
            _log.info("intents_pruned", count=total)
        return total

    async def count(self) -> None:
        """Set the gauges. Raises DatabaseUnavailable."""
        for statement, gauge in self._gauges:
            counts = {row["channel"]: row["count"] for row in await self._database.fetch(statement)}
            for channel in CHANNELS:
                gauge.set(counts.get(channel, 0), channel)
