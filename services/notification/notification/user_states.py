"""Who is blocked or deleted, as `user:lifecycle_events` says.

A push does not ask the user service: it must leave in milliseconds, and whether or not that service answers. So what the
service announces is kept here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from servicekit.postgres import Connection, Database
from servicekit.streams import Entry, Reject

STREAM: Final = "user:lifecycle_events"
REJECTED: Final = "user:lifecycle_events:rejected"

_ID: Final = re.compile(rb"[!-~]{1,128}")
_TIME: Final = re.compile(rb"[1-9][0-9]{0,15}")
_EVENT: Final = re.compile(rb"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")
_STATES: Final = {b"user.blocked": "blocked", b"user.unblocked": "active", b"user.deleted": "deleted"}

# Of two events the later one counts, whatever order they come in; nothing follows a deletion.
_KEEP: Final = """
INSERT INTO user_states AS kept (user_id, state, occurred_at_ms) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO UPDATE SET state = excluded.state, occurred_at_ms = excluded.occurred_at_ms
WHERE kept.occurred_at_ms <= excluded.occurred_at_ms AND kept.state <> 'deleted'
"""
_UNREACHABLE: Final = """
SELECT user_id, 'user_' || state AS why FROM user_states WHERE state <> 'active' AND user_id = ANY($1::text[])
"""

Why = Literal["user_blocked", "user_deleted"]


async def unreachable(connection: Connection | Database, user_ids: Collection[str]) -> dict[str, Why]:
    """Those of the users who get nothing, and why. Raises DatabaseUnavailable."""
    rows = await connection.fetch(_UNREACHABLE, list(user_ids))
    return {row["user_id"]: row["why"] for row in rows}


@dataclass(frozen=True, slots=True)
class Change:
    """A user's new state, `active`, `blocked` or `deleted`, since a time in Unix milliseconds."""

    user_id: str
    state: str
    occurred_at_ms: int


def read(fields: Mapping[str, bytes]) -> Change | None:
    """What an entry says; None for an event that changes nothing here. Raises Reject."""
    for name, pattern, form in (
        ("event", _EVENT, "dotted lower-case words"),
        ("user_id", _ID, "1 to 128 characters of visible ASCII"),
        ("occurred_at_ms", _TIME, "Unix milliseconds in decimal"),
    ):
        if name not in fields:
            raise Reject(f"{name} is missing")
        if pattern.fullmatch(fields[name]) is None:
            raise Reject(f"{name} is not {form}")
    state = _STATES.get(fields["event"])
    if state is None:
        return None
    return Change(fields["user_id"].decode(), state, int(fields["occurred_at_ms"]))


@dataclass(frozen=True, slots=True)
class UserStates:
    """Keeps what the stream says."""

    database: Database

    async def handle(self, entry: Entry) -> None:
        """Keep one event; others than the three that are known are ignored. Raises Reject and DatabaseUnavailable."""
        change = read(entry.fields)
        if change is not None:
            await self.database.execute(_KEEP, change.user_id, change.state, change.occurred_at_ms)
