"""Target: the routes of commands, from configuration, and which of them a message type takes."""

from gateway.envelope import is_message_type
from gateway.routing import RESERVED_PREFIX, Routes, parse_prefix

from targets.inputs import chosen


def check(data: bytes) -> bool:
    """A prefix (the first line) is refused with a remedy, or it takes message types that begin with it, and no others."""
    prefix, rest = chosen(data)
    try:
        parsed = parse_prefix(prefix)
    except ValueError as error:
        assert str(error).endswith(")")
        return False
    assert parsed == prefix
    assert not prefix.startswith(RESERVED_PREFIX)
    assert len(prefix) > 120 or is_message_type(f"{prefix}x")
    message_type = rest.decode("latin-1")
    route = Routes({prefix: "http://one"}).find(message_type)
    assert (route is not None) == message_type.startswith(prefix)
    return True
