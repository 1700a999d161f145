"""The intents in the database: taken in once, whatever comes how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from servicekit.postgres import Connection, Database

from notification.address import recipient_id
from notification.catalogue import Catalogue, Channel
from notification.intents import Intent
from notification.routes import Claimed, delivery_id
from notification.user_states import unreachable

# Arrays travel as text: of text[] asyncpg knows how it travels, about others it asks the server on each connection first.
_INSERT: Final = """
INSERT INTO intents (
    idempotency_key, content_hash, notification_type, producer, audience_kind, occurred_at_ms, request_id, trace_id, payload,
    entry_id
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]::bigint[], $7::text[], $8::text[], $9::text[],
    $10::text[]
)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING id, idempotency_key
"""
_KNOWN: Final = (
    "SELECT id, idempotency_key, content_hash FROM intents WHERE idempotency_key = ANY($1::text[])"
)
_INSERT_CONFLICTS: Final = """
INSERT INTO intent_conflicts (
    intent_id, entry_id, content_hash, notification_type, producer, occurred_at_ms, request_id
)
SELECT * FROM unnest(
    $1::text[]::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]::bigint[], $7::text[]
)
ON CONFLICT DO NOTHING
"""
# Pushes are claimed as they are made: who took the intent in publishes them at once, without another look.
_INSERT_ROUTES: Final = """
INSERT INTO routes (intent_id, channel, recipient, delivery_id, state, error_code, attempts, claim, due_at_ms, finished_at_ms)
SELECT t.intent_id, t.channel, t.recipient, t.delivery_id,
    CASE WHEN t.error_code = '' THEN 'pending' ELSE 'suppressed' END, t.error_code,
    t.mine, t.mine, now_ms() + t.mine * $6::bigint, CASE WHEN t.error_code <> '' THEN now_ms() END
FROM (
    SELECT *, CASE WHEN channel = 'push' AND error_code = '' THEN 1 ELSE 0 END AS mine
    FROM unnest($1::text[]::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])
        WITH ORDINALITY AS u(intent_id, channel, recipient, delivery_id, error_code, position)
) t
ORDER BY t.position
RETURNING id, delivery_id, state
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An intent and the id of the entry that it came in."""

    entry_id: str
    intent: Intent


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch of arrivals."""

    pushes: list[Claimed]
    """To publish now, in the order of the arrivals."""
    mailed: bool
    """Whether there is e-mail to send."""
    accepted: int
    duplicates: int
    conflicts: frozenset[str]
    """The entries that have a key of before and other content."""


@dataclass(frozen=True, slots=True)
class _Route:
    intent_id: int
    intent: Intent
    channel: Channel
    recipient: str
    delivery_id: str


class Ledger:
    """Takes intents in."""

    def __init__(
        self, database: Database, catalogue: Catalogue, *, admins: Sequence[str], lease_ms: int
    ) -> None:
        """`admins` are the administrators' addresses; `lease_ms` is how long a push stays with who took it in."""
        self._database = database
        self._catalogue = catalogue
        self._admins = [recipient_id(address) for address in admins]
        self._lease_ms = lease_ms

    async def accept(self, arrivals: Sequence[Arrival]) -> Accepted:
        """Keep what is new, with a route for each recipient and channel, in one transaction. Raises DatabaseUnavailable."""
        async with self._database.transaction() as connection:
            new = await _insert(connection, arrivals)
            mine: dict[str, str] = {}
            fresh: list[tuple[int, Intent]] = []
            rest: list[Arrival] = []
            for arrival in arrivals:
                key = arrival.intent.idempotency_key
                if key in new and key not in mine:
                    mine[key] = arrival.entry_id
                    fresh.append((new[key], arrival.intent))
                else:
                    rest.append(arrival)
            conflicts = await _conflicts(connection, rest) if rest else frozenset()
            routes = [route for intent_id, intent in fresh for route in self._routes(intent_id, intent)]
            pushes, mailed = await self._insert_routes(connection, routes) if routes else ([], False)
        return Accepted(pushes, mailed, len(fresh), len(rest) - len(conflicts), conflicts)

    def _routes(self, intent_id: int, intent: Intent) -> list[_Route]:
        known = self._catalogue[intent.notification_type]
        recipients = self._admins if known.audience_kind == "admin_email" else intent.recipients
        return [
            _Route(
                intent_id, intent, channel, recipient, delivery_id(intent.idempotency_key, channel, recipient)
            )
            for channel in known.channels
            for recipient in recipients
        ]

    async def _insert_routes(
        self, connection: Connection, routes: Sequence[_Route]
    ) -> tuple[list[Claimed], bool]:
        stopped = await unreachable(connection, {route.recipient for route in routes})
        rows = await connection.fetch(
            _INSERT_ROUTES,
            [str(route.intent_id) for route in routes],
            [route.channel for route in routes],
            [route.recipient for route in routes],
            [route.delivery_id for route in routes],
            [stopped.get(route.recipient, "") for route in routes],
            self._lease_ms,
        )
        ids = {row["delivery_id"]: row["id"] for row in rows if row["state"] == "pending"}
        pending = [route for route in routes if route.delivery_id in ids]
        pushes = [
            Claimed(
                id=ids[route.delivery_id],
                claim=1,
                attempts=1,
                delivery_id=route.delivery_id,
                recipient=route.recipient,
                channel=route.channel,
                audience_kind=route.intent.audience_kind,
                notification_type=route.intent.notification_type,
                occurred_at_ms=route.intent.occurred_at_ms,
                request_id=route.intent.request_id,
                trace_id=route.intent.trace_id,
                payload=route.intent.payload,
            )
            for route in pending
            if route.channel == "push"
        ]
        return pushes, len(pushes) < len(pending)


async def _insert(connection: Connection, arrivals: Sequence[Arrival]) -> dict[str, int]:
    """The ids of the intents that were new, by key."""
    # By key: two instances that insert the same keys in different orders would wait for each other. Stable: of two arrivals
    # with the same key the first one counts.
    ordered = sorted(arrivals, key=lambda arrival: arrival.intent.idempotency_key)
    intents = [arrival.intent for arrival in ordered]
    columns: list[list[str]] = [
        [intent.idempotency_key for intent in intents],
        [intent.content_hash for intent in intents],
        [intent.notification_type for intent in intents],
        [intent.producer for intent in intents],
        [intent.audience_kind for intent in intents],
        [str(intent.occurred_at_ms) for intent in intents],
        [intent.request_id for intent in intents],
        [intent.trace_id for intent in intents],
        [intent.payload.decode() for intent in intents],
        [arrival.entry_id for arrival in ordered],
    ]
    rows = await connection.fetch(_INSERT, *columns)
    return {row["idempotency_key"]: row["id"] for row in rows}


async def _conflicts(connection: Connection, arrivals: Sequence[Arrival]) -> frozenset[str]:
    """Compare arrivals with the intents that have their keys, and record those with other content."""
    rows = await connection.fetch(_KNOWN, [arrival.intent.idempotency_key for arrival in arrivals])
    known = {row["idempotency_key"]: row for row in rows}
    other = [
        (row["id"], arrival)
        for arrival in arrivals
        # None: pruned since the insert; it was known until just now, and what it said no longer matters.
        if (row := known.get(arrival.intent.idempotency_key)) is not None
        and row["content_hash"] != arrival.intent.content_hash
    ]
    if other:
        await connection.execute(
            _INSERT_CONFLICTS,
            [str(intent_id) for intent_id, _ in other],
            [arrival.entry_id for _, arrival in other],
            [arrival.intent.content_hash for _, arrival in other],
            [arrival.intent.notification_type for _, arrival in other],
            [arrival.intent.producer for _, arrival in other],
            [str(arrival.intent.occurred_at_ms) for _, arrival in other],
            [arrival.intent.request_id for _, arrival in other],
        )
    return frozenset(arrival.entry_id for _, arrival in other)
