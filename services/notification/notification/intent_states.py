"""What became of an intent, for support."""

from typing import Any, Final

from msgspec import UNSET
from servicekit.postgres import Database, Record

from notification.wire import Conflict, IntentState, Route

_INTENT: Final = """
SELECT id, idempotency_key, notification_type, producer, audience_kind, occurred_at_ms, received_at_ms, request_id, trace_id,
    entry_id
FROM intents WHERE idempotency_key = $1
"""
_ROUTES: Final = """
SELECT channel, recipient, delivery_id, state, attempts, due_at_ms, finished_at_ms, error_code, error_message,
    recipient_email_masked, locale
FROM routes WHERE intent_id = $1 ORDER BY id
"""
_CONFLICTS: Final = """
SELECT entry_id, notification_type, producer, occurred_at_ms, request_id, received_at_ms
FROM intent_conflicts WHERE intent_id = $1 ORDER BY id DESC LIMIT 100
"""


async def find(database: Database, idempotency_key: str) -> IntentState | None:
    """The intent with each of its routes, None when there is none. Raises DatabaseUnavailable."""
    async with database.transaction() as connection:
        row = await connection.fetchrow(_INTENT, idempotency_key)
        if row is None:
            return None
        routes = await connection.fetch(_ROUTES, row["id"])
        conflicts = await connection.fetch(_CONFLICTS, row["id"])
    intent = {name: value for name, value in row.items() if name != "id"}
    return IntentState(
        **intent,
        routes=[_route(route) for route in routes],
        conflicts=[Conflict(**dict(conflict)) for conflict in conflicts],
    )


def _route(row: Record) -> Route:
    def given(name: str) -> Any:
        return row[name] or UNSET

    return Route(
        channel=row["channel"],
        recipient=row["recipient"],
        delivery_id=row["delivery_id"],
        state=row["state"],
        attempts=row["attempts"],
        next_attempt_at_ms=row["due_at_ms"] if row["state"] == "pending" else UNSET,
        finished_at_ms=given("finished_at_ms"),
        error_code=given("error_code"),
        error_message=given("error_message"),
        recipient_email=given("recipient_email_masked"),
        locale=given("locale"),
    )
