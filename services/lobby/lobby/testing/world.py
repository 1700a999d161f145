"""An event loop, an empty database, and lobby's own view of both."""

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
from servicekit.metrics import Registry
from servicekit.postgres import Database
from servicekit.streams import Entry
from servicekit.testing.loop import Loop
from servicekit.testing.waiting import until

from lobby import results, users
from lobby.service import MIGRATIONS
from lobby.testing import streams
from lobby.ticker import Ticker

T = TypeVar("T")

START_TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class Message:
    """One message that was put into the outbox."""

    stream: str
    fields: dict[str, str]

    @property
    def payload(self) -> dict[str, str]:
        """The payload of an intent."""
        found: dict[str, str] = json.loads(self.fields["payload"])
        return found

    @property
    def recipients(self) -> list[str]:
        """Whom an intent is for."""
        found: list[str] = json.loads(self.fields["recipient_user_ids"])
        return found


class World(Loop):
    """One test's."""

    def __init__(self, runner: asyncio.Runner, dsn: str) -> None:
        super().__init__(runner)
        self.dsn = dsn
        self.metrics = Registry()
        self.database = self.enter(
            Database(dsn, migrations=MIGRATIONS, name="lobby", timeout=10, max_connections=30)
        )
        self._entries = 0

    def together_at(self, game_id: str, *works: Awaitable[T]) -> list[T]:
        """Runs all of them, each of which wants a game's lock: nobody gets it before all of them wait for it."""

        async def waiting() -> bool:
            count = await self.database.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            return bool(count == len(works))

        async def whole() -> list[T]:
            holder = await asyncpg.connect(self.dsn)
            try:
                transaction = holder.transaction()
                await transaction.start()
                await holder.execute("SELECT FROM games WHERE game_id = $1 FOR UPDATE", game_id)
                tasks = [asyncio.ensure_future(work) for work in works]
                _: bool = await until("all of them wait for the lock", waiting)
                await transaction.commit()
                return list(await asyncio.gather(*tasks))
            finally:
                await holder.close()

        return self._runner.run(whole())

    def sql(self, statement: str, *arguments: Any) -> list[dict[str, Any]]:
        """One statement; its rows."""
        return [dict(row) for row in self.run(self.database.fetch(statement, *arguments))]

    def value(self, statement: str, *arguments: Any) -> Any:
        """The first value of a statement's first row."""
        return self.run(self.database.fetchval(statement, *arguments))

    def messages(self, stream: str | None = None) -> list[Message]:
        """What was put into the outbox since it was last asked, oldest first, of one stream or of all."""
        rows = self.sql(
            "WITH gone AS (DELETE FROM outbox WHERE $1::text IS NULL OR stream = $1 RETURNING *)"
            " SELECT stream, fields::text FROM gone ORDER BY id",
            stream,
        )
        found = [Message(row["stream"], json.loads(row["fields"])) for row in rows]
        for message in found:
            streams.check(message.stream, message.fields)
        return found

    def entry(self, **fields: str | bytes) -> Entry:
        """An entry of a stream, with an id of its own."""
        self._entries += 1
        raw = {name: value.encode() if isinstance(value, str) else value for name, value in fields.items()}
        return Entry(f"1700000000000-{self._entries}", raw)

    def result(self, game_id: str, requested_at_ms: int | None = None, /, **changes: str | bytes) -> Entry:
        """An entry of runtime:job_results: the success of the game's present start, if nothing else is said."""
        if requested_at_ms is None:
            requested_at_ms = self.value(
                "SELECT start_requested_at_ms FROM games WHERE game_id = $1", game_id
            )
        fields: dict[str, str | bytes] = {
            "operation": "start",
            "requested_at_ms": str(requested_at_ms),
            "game_id": game_id,
            "outcome": "success",
            "container_id": "c" * 64,
            "engine_endpoint": f"http://game-{game_id}:8080",
            "error_code": "",
            "error_message": "",
        }
        if changes.get("outcome") == "failure":
            fields |= {"container_id": "", "engine_endpoint": "", "error_code": "image_pull_failed"}
        return self.entry(**{**fields, **changes})

    def take(self, entry: Entry) -> None:
        """Hands an entry of runtime:job_results to its consumer."""
        self.run(results.Results(self.database).handle(entry))

    def take_user(self, event: str, user_id: str) -> None:
        """Hands an event of a user to its consumer."""
        entry = self.entry(event=event, user_id=user_id, occurred_at_ms="1700000000000")
        self.run(users.Users(self.database).handle(entry))

    @property
    def ticker(self) -> Ticker:
        """A ticker that is not running."""
        return Ticker(self.database, every_ms=10, start_timeout_ms=START_TIMEOUT_MS)

    def tick(self) -> None:
        """Does what time asks for now."""
        self.run(self.ticker.tick())
