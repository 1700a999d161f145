"""Target: entries of `user:lifecycle_events`, as notification reads them."""

from notification.user_states import read
from servicekit.streams import Reject

from targets.inputs import fields


def check(data: bytes) -> bool:
    """An entry is set aside with the name of a field, changes nothing, or says what was written."""
    entry = fields(data)
    try:
        change = read(entry)
    except Reject as error:
        assert str(error)
        return False
    if change is None:
        assert entry["event"] not in {b"user.blocked", b"user.unblocked", b"user.deleted"}
        return True
    assert change.user_id.encode() == entry["user_id"]
    assert str(change.occurred_at_ms).encode() == entry["occurred_at_ms"]
    assert change.state in {"active", "blocked", "deleted"}
    return True
