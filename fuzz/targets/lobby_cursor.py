"""Target: cursors of lobby's lists."""

from lobby.paging import page, position
from servicekit.errors import ApiError

from targets.inputs import text


def check(data: bytes) -> bool:
    """A cursor is refused, or it is a position that the database can compare; the page that ended there gives it again."""
    given = text(data)
    if given is None:
        return False
    try:
        place = position(given)
    except ApiError as error:
        assert (error.status, error.code) == (400, "invalid_request")
        return False
    assert place is not None
    assert 0 <= place < 1 << 63
    rows = [{"position": place}, {"position": place - 1}]
    _, cursor = page(rows, 1, lambda row: row)
    assert position(cursor) == place
    return True
