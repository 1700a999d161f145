"""Target: cursors of the list of sessions."""

from authsession.sessions import InvalidCursorError, _cursor, _place

from targets.inputs import text


def check(data: bytes) -> bool:
    """A cursor is refused, or it is the one that a page gives, to the letter."""
    given = text(data)
    if given is None:
        return False
    try:
        place = _place(given)
    except InvalidCursorError:
        return False
    assert place >= 1
    assert _cursor(place) == given
    return True
