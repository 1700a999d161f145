"""Routes: one recipient of an intent on one channel, claimed for an attempt and given back with what came of it."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from servicekit.postgres import Database, Record

from notification.catalogue import Channel
from notification.wire import RouteState

_CLAIM: Final = """
WITH due AS (
    SELECT id FROM routes
    WHERE state = 'pending' AND channel = $1 AND due_at_ms <= now_ms()
    ORDER BY due_at_ms, id LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE routes r
SET claim = claim + 1, attempts = attempts + 1, due_at_ms = now_ms() + $3
FROM due, intents i
WHERE r.id = due.id AND i.id = r.intent_id
RETURNING r.id, r.claim, r.attempts, r.delivery_id, r.recipient, r.channel, i.audience_kind, i.notification_type,
    i.occurred_at_ms, i.request_id, i.trace_id, i.payload
"""

# Only the last claimant's word counts: who was too slow has lost the route to somebody else.
_RECORD: Final = """
WITH told AS (
    SELECT * FROM unnest(
        $1::text[]::bigint[], $2::text[]::bigint[], $3::text[], $4::text[]::boolean[], $5::text[]::bigint[], $6::text[],
        $7::text[], $8::text[], $9::text[]
    ) AS t(id, claim, state, counted, delay_ms, error_code, error_message, locale, masked)
), changed AS (
    UPDATE routes r
    SET state = t.state,
        attempts = r.attempts - CASE WHEN t.counted THEN 0 ELSE 1 END,
        due_at_ms = CASE WHEN t.state = 'pending' THEN now_ms() + t.delay_ms ELSE r.due_at_ms END,
        finished_at_ms = CASE WHEN t.state IN ('delivered', 'suppressed') THEN now_ms() END,
        error_code = t.error_code, error_message = t.error_message,
        locale = t.locale, recipient_email_masked = t.masked
    FROM told t
    WHERE r.id = t.id AND r.claim = t.claim AND r.state = 'pending'
    RETURNING r.id, r.intent_id, r.channel, r.state, r.attempts, r.error_code, r.error_message
), dead AS (
    INSERT INTO dead_letters (dead_letter_id, route, channel, notification_type, attempts, error_code, error_message)
    SELECT 'd_' || replace(gen_random_uuid()::text, '-', ''), c.id, c.channel, i.notification_type, c.attempts,
        c.error_code, c.error_message
    FROM changed c JOIN intents i ON i.id = c.intent_id
    WHERE c.state = 'dead'
)
SELECT id FROM changed
"""

_NEXT_DUE: Final = "SELECT min(due_at_ms) - now_ms() FROM routes WHERE state = 'pending' AND channel = $1"


def delivery_id(idempotency_key: str, channel: Channel, recipient: str) -> str:
    """The id of a delivery: the same for every attempt, every instance and every replay."""
    digest = hashlib.sha256(msgspec.json.encode((idempotency_key, channel, recipient))).digest()
    return "n_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A route that is this process' to attempt until its claim runs out. `attempts` includes the present one."""

    id: int
    claim: int
    attempts: int
    delivery_id: str
    recipient: str
    channel: Channel
    audience_kind: str
    notification_type: str
    occurred_at_ms: int
    request_id: str
    trace_id: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """It is in the channel's stream. An e-mail has a locale and a masked address."""

    locale: str = ""
    masked: str = ""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """It is not to be sent, on purpose."""

    error_code: Literal["user_blocked", "user_deleted"]


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed; `permanent`: every other one would fail as well. The message names no address."""

    error_code: str
    message: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """Redis is away, as it is for everybody: no attempt was used up."""

    message: str


Result = Delivered | Suppressed | Failed | Postponed


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a route becomes. `delay_ms` is the pause of one that stays pending; `counted` is False if no attempt was used up."""

    route: Claimed
    state: RouteState
    error_code: str = ""
    error_message: str = ""
    delay_ms: int = 0
    counted: bool = True
    locale: str = ""
    masked: str = ""


class Routes:
    """The routes in the database."""

    def __init__(self, database: Database, *, lease_ms: int) -> None:
        """A claim runs out after `lease_ms`; then anybody may take the route."""
        self._database = database
        self.lease_ms = lease_ms

    async def claim(self, channel: Channel, most: int) -> list[Claimed]:
        """Take routes that are due, in the order of their intents. Raises DatabaseUnavailable."""
        rows = await self._database.fetch(_CLAIM, channel, most, self.lease_ms)
        return sorted((_claimed(row) for row in rows), key=lambda route: route.id)

    async def next_due_ms(self, channel: Channel) -> int | None:
        """In how many milliseconds a route is due, negative if one was before; None without any. Raises DatabaseUnavailable."""
        due: int | None = await self._database.fetchval(_NEXT_DUE, channel)
        return due

    async def record(self, changes: Sequence[Change]) -> set[int]:
        """Give routes back; gives the ids of those that were still this process' to change. Raises DatabaseUnavailable."""
        columns = zip(
            *(
                (
                    str(change.route.id), str(change.route.claim), change.state, str(change.counted), str(change.delay_ms),
                    change.error_code, change.error_message, change.locale, change.masked,
                )
                for change in changes
            ),
            strict=True,
        )  # fmt: skip
        rows = await self._database.fetch(_RECORD, *map(list, columns))
        return {row["id"] for row in rows}


def _claimed(row: Record) -> Claimed:
    return Claimed(**{**dict(row), "payload": row["payload"].encode()})
