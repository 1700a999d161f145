"""Target: entries of `gateway:session-events`, which end the streams of revoked sessions."""

import asyncio

from gateway.push import Hub
from gateway.revocation import CODE, Revocation
from gateway.sessions import SessionStore
from servicekit.redis import Redis
from servicekit.streams import Entry, Reject

from targets.inputs import fields

LOOP = asyncio.new_event_loop()
SESSION = "s_ada"


def check(data: bytes) -> bool:
    """A revocation ends the streams of its session and of no other; what cannot be read makes all streams be looked at again."""
    return LOOP.run_until_complete(_check(Entry("1-0", fields(data))))


async def _check(entry: Entry) -> bool:
    hub = Hub()
    revocation = Revocation(SessionStore(Redis("redis://127.0.0.1:1")), hub)
    session_id = entry.fields.get("device_session_id", b"").decode("latin-1")
    streams = {name: hub.register("u1", name) for name in {session_id, SESSION, "s_other"}}
    try:
        await revocation.on_session_event(entry)
    except Reject:
        assert revocation._due.is_set()  # noqa: SLF001  (what `run` waits for)
        assert not any(stream.ended.done() for stream in streams.values())
        return False
    ended = {name for name, stream in streams.items() if stream.ended.done()}
    assert ended == ({session_id} if entry.fields["event"] == b"session.revoked" else set())
    assert all(streams[name].ended.result() == CODE for name in ended)
    return True
