"""Dead letters: routes that were given up, listed, replayed and discarded."""

from dataclasses import dataclass
from typing import Final, Literal

from msgspec import UNSET
from servicekit import logs
from servicekit.postgres import Connection, Database, Record

from notification.wire import DeadLetter, DeadLetterQuery

_log = logs.get("notification.dead_letters")

_COLUMNS: Final = """
SELECT d.id, d.dead_letter_id, d.status, d.channel, d.notification_type, i.idempotency_key, r.recipient, r.delivery_id,
    d.attempts, d.error_code, d.error_message, d.died_at_ms, d.resolved_at_ms, d.resolved_by, d.resolution_reason, d.route
FROM dead_letters d JOIN routes r ON r.id = d.route JOIN intents i ON i.id = r.intent_id
"""
_GET: Final = _COLUMNS + "WHERE d.dead_letter_id = $1"
_LOCK: Final = _GET + " FOR UPDATE OF d, r"
_PAGE: Final = (
    _COLUMNS
    + """
WHERE ($1::text IS NULL OR d.status = $1) AND ($2::text IS NULL OR d.channel = $2)
    AND ($3::text IS NULL OR d.notification_type = $3) AND ($4::bigint IS NULL OR d.died_at_ms >= $4)
    AND ($5::bigint IS NULL OR d.died_at_ms < $5) AND ($6::bigint IS NULL OR d.id < $6)
ORDER BY d.id DESC LIMIT $7
"""
)
_RESOLVE: Final = """
UPDATE dead_letters SET status = $2, resolved_at_ms = now_ms(), resolved_by = $3, resolution_reason = $4 WHERE id = $1
"""
# A new budget and a new claim: whoever still believes that he has the route no longer does.
_REVIVE: Final = """
UPDATE routes
SET state = 'pending', attempts = 0, claim = claim + 1, due_at_ms = now_ms(), error_code = '', error_message = ''
WHERE id = $1
"""
_DISCARD: Final = "UPDATE routes SET state = 'discarded', finished_at_ms = now_ms() WHERE id = $1"


class DeadLetterNotFound(Exception):
    """There is no such dead letter, or no longer."""


class AlreadyResolved(Exception):
    """The dead letter was resolved in the other way."""


class InvalidCursor(ValueError):
    """A cursor is not one that a page gave."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of a dead letter, who asks for it, and why."""

    status: Literal["replayed", "discarded"]
    actor: str
    reason_code: str


class DeadLetters:
    """The dead letters in the database. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, dead_letter_id: str) -> DeadLetter:
        """One of them. Raises DeadLetterNotFound."""
        row = await self._database.fetchrow(_GET, dead_letter_id)
        if row is None:
            raise DeadLetterNotFound
        return _dead_letter(row)

    async def page(self, query: DeadLetterQuery) -> tuple[list[DeadLetter], str | None]:
        """A page, the last to die first, and the cursor of the next one. Raises InvalidCursor."""
        rows = await self._database.fetch(
            _PAGE,
            None if query.status == "any" else query.status,
            *(
                None if value is UNSET else value
                for value in (query.channel, query.notification_type, query.from_ms, query.until_ms)
            ),
            None if query.cursor is UNSET else _position(query.cursor),
            query.page_size + 1,
        )
        shown = rows[: query.page_size]
        more = len(rows) > len(shown)
        return [_dead_letter(row) for row in shown], f"d{shown[-1]['id']}" if more else None

    async def resolve(self, dead_letter_id: str, resolution: Resolution) -> tuple[bool, DeadLetter]:
        """Replay or discard it; says whether this call did, and gives it as it is then.

        Raises DeadLetterNotFound and AlreadyResolved.
        """
        async with self._database.transaction() as connection:
            row = await _locked(connection, dead_letter_id)
            new = row["status"] == "open"
            if not new and row["status"] != resolution.status:
                raise AlreadyResolved(row["status"])
            if new:
                await connection.execute(
                    _RESOLVE, row["id"], resolution.status, resolution.actor, resolution.reason_code
                )
                await connection.execute(
                    _REVIVE if resolution.status == "replayed" else _DISCARD, row["route"]
                )
                row = await _locked(connection, dead_letter_id)
        dead_letter = _dead_letter(row)
        if new:
            _log.info(
                f"dead_letter_{resolution.status}",
                dead_letter_id=dead_letter_id,
                delivery_id=dead_letter.delivery_id,
                actor=resolution.actor,
                reason_code=resolution.reason_code,
            )
        return new, dead_letter


async def _locked(connection: Connection, dead_letter_id: str) -> Record:
    row = await connection.fetchrow(_LOCK, dead_letter_id)
    if row is None:
        raise DeadLetterNotFound
    return row


def _position(cursor: str) -> int:
    digits = cursor[1:]
    if not (cursor.startswith("d") and digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise InvalidCursor
    return int(digits)


def _dead_letter(row: Record) -> DeadLetter:
    kept = {name: value for name, value in row.items() if name not in {"id", "route"} and value is not None}
    return DeadLetter(**kept)
