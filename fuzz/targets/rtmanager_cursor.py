"""Target: cursors of rtmanager's lists."""

from rtmanager.handlers import _decoded, _encoded
from servicekit.errors import ApiError

from targets.inputs import text


def check(data: bytes) -> bool:
    """A cursor is refused, or a text that the database can compare; its own cursor is the same, to the letter."""
    given = text(data)
    if given is None:
        return False
    try:
        position = _decoded(given)
    except ApiError as error:
        assert (error.status, error.code) == (400, "invalid_request")
        return False
    assert position.isascii()
    assert "\0" not in position
    assert _encoded(position) == given
    return True
