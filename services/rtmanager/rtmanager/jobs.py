"""Takes jobs from the streams into the journal."""

import re
from collections.abc import Callable
from typing import Final

from servicekit import inbox
from servicekit.postgres import Connection, Database
from servicekit.streams import Entry, Reject

from rtmanager import journal, wire
from rtmanager.journal import Kind

START_JOBS: Final = "runtime:start_jobs"
STOP_JOBS: Final = "runtime:stop_jobs"
GROUP: Final = "rtmanager"

_TIME_MS: Final = re.compile(r"[1-9][0-9]{0,15}")
_GAME_ID: Final = re.compile(wire.GAME_ID_PATTERN)
_FIELDS: Final = {
    "game_id": (_GAME_ID, "a game's id: 1 to 58 of A-Z a-z 0-9 _ . -, not a dot first"),
    "image_ref": (re.compile(r"[!-~]{1,255}"), "1 to 255 visible ASCII characters"),
    "reason": (re.compile(r"[a-z_]{1,64}"), "1 to 64 of a-z and _"),
    "requested_at_ms": (_TIME_MS, "Unix milliseconds, decimal"),
}
_NAMES: Final[dict[Kind, frozenset[str]]] = {
    "start": frozenset({"game_id", "image_ref", "requested_at_ms"}),
    "stop": frozenset({"game_id", "reason", "requested_at_ms"}),
}


def read(kind: Kind, entry: Entry) -> dict[str, str]:
    """Give a job's fields. Raises Reject, naming the field that is wrong."""
    names = _NAMES[kind]
    if missing := sorted(names - set(entry.fields)):
        raise Reject(f"{missing[0]}: is missing")
    if unknown := sorted(set(entry.fields) - names):
        raise Reject(f"{unknown[0][:64]}: is unknown")
    found = {}
    for name in sorted(names):
        pattern, form = _FIELDS[name]
        try:
            text = entry.fields[name].decode("ascii")
        except UnicodeDecodeError:
            raise Reject(f"{name}: is not {form}") from None
        if pattern.fullmatch(text) is None:
            raise Reject(f"{name}: is not {form}")
        found[name] = text
    return found


class Intake:
    """The handler of one stream: an entry is a job as soon as this returns, whatever happens to this process then."""

    def __init__(self, database: Database, kind: Kind, stream: str, taken: Callable[[str], None]) -> None:
        """``taken`` is called with the game of each new job."""
        self._database = database
        self._kind = kind
        self._stream = stream
        self._taken = taken

    async def __call__(self, entry: Entry) -> None:
        """Take one entry. Raises Reject and DatabaseUnavailable."""
        fields = read(self._kind, entry)
        async with self._database.transaction() as connection:
            if not await self._add(connection, entry.id, fields):
                return
        self._taken(fields["game_id"])

    async def _add(self, connection: Connection, entry_id: str, fields: dict[str, str]) -> bool:
        if await inbox.seen(connection, self._stream, entry_id):
            return False
        await journal.add(
            connection,
            game_id=fields["game_id"],
            kind=self._kind,
            op_source="lobby_stream",
            status="queued",
            requested_at_ms=int(fields["requested_at_ms"]),
            image_ref=fields.get("image_ref", ""),
            reason=fields.get("reason", ""),
        )
        return True
