"""Ending the streams of revoked sessions: by event, and by looking again whenever an event may have been missed."""

import asyncio
from typing import Final

from servicekit import logs
from servicekit.redis import RedisError, Watcher
from servicekit.streams import Entry, Reject

from gateway.envelope import ID_PATTERN
from gateway.push import Hub
from gateway.sessions import SessionStore

log = logs.get("gateway.revocation")

CODE: Final = "session_revoked"
RECHECK_EVERY_S: Final = 30.0
"""How often all open streams are checked without any reason: what was missed unnoticed lives no longer than this."""
RETRY_S: Final = 0.1
BATCH: Final = 500
"""Sessions read in one round trip."""


class Revocation:
    """Holds open streams to the sessions' state."""

    def __init__(self, sessions: SessionStore, hub: Hub) -> None:
        self._sessions = sessions
        self._hub = hub
        self._due = asyncio.Event()

    async def on_session_event(self, entry: Entry) -> None:
        """Handles an entry of `gateway:session-events`. Raises Reject for a malformed one, after asking for a
        recheck: it may have been a revocation."""
        event = entry.fields.get("event")
        session_id = entry.fields.get("device_session_id", b"").decode("ascii", "replace")
        if event not in {b"session.created", b"session.revoked"} or ID_PATTERN.fullmatch(session_id) is None:
            self.recheck()
            raise Reject("event or device_session_id is not what the contract says")
        if event == b"session.revoked":
            self._hub.end_session(session_id, CODE)

    def recheck(self) -> None:
        """Asks for a check of every open stream, as soon as possible."""
        self._due.set()

    async def run(self) -> None:
        """Checks the sessions of all open streams when asked to, and every RECHECK_EVERY_S; until cancelled."""
        while True:
            try:
                async with asyncio.timeout(RECHECK_EVERY_S):
                    await self._due.wait()
            except TimeoutError:
                pass
            # Cleared first: what is asked for from now on may concern a session that is already read.
            self._due.clear()
            try:
                await self._check_all()
            except RedisError:
                # It is to be repeated when Redis is back, and at once: an outage is when events are missed.
                self._due.set()
                await asyncio.sleep(RETRY_S)

    async def _check_all(self) -> None:
        open_sessions = self._hub.sessions()
        for start in range(0, len(open_sessions), BATCH):
            for session_id in await self._sessions.inactive(open_sessions[start : start + BATCH]):
                log.info("stream_session_inactive", device_session_id=session_id)
                self._hub.end_session(session_id, CODE)


class StoreWatch:
    """Tells the health of Redis on, and asks for a recheck when it is back: events may have been missed meanwhile."""

    def __init__(self, dependency: Watcher, revocation: Revocation) -> None:
        self._dependency = dependency
        self._revocation = revocation
        self._lost = False

    def up(self) -> None:
        """Redis answered."""
        self._dependency.up()
        if self._lost:
            self._lost = False
            self._revocation.recheck()

    def down(self, reason: str) -> None:
        """Redis did not answer."""
        self._lost = True
        self._dependency.down(reason)
