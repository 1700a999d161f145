"""Target: entries of `user:lifecycle_events`, as lobby reads them."""

from lobby.entries import fields as read
from lobby.users import LifecycleEvent
from servicekit.streams import Entry, Reject

from targets.inputs import fields


def check(data: bytes) -> bool:
    """An entry is set aside with the name of a field, or the fields that count are as they were written."""
    entry = Entry("1-0", fields(data))
    try:
        event = read(entry, LifecycleEvent)
    except Reject as error:
        assert str(error)
        return False
    assert event.event.encode() == entry.fields["event"]
    assert event.user_id.encode() == entry.fields["user_id"]
    assert 1 <= len(event.user_id) <= 128
    assert 0 < int(event.occurred_at_ms) < 10**16
    return True
