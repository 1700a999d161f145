"""Target: cursors of the list of dead letters."""

from notification.dead_letters import InvalidCursor, _position

from targets.inputs import text


def check(data: bytes) -> bool:
    """A cursor is refused, or it is a position that the database can compare."""
    given = text(data)
    if given is None:
        return False
    try:
        place = _position(given)
    except InvalidCursor:
        return False
    assert 0 <= place < 1 << 63
    assert _position(f"d{place}") == place
    return True
