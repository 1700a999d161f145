"""Target: the fields of a message between a service's outbox table and the stream."""

from servicekit.outbox import FIELDS_MOST, _encode, decode

from targets.inputs import fields


def check(data: bytes) -> bool:
    """Fields come out as they were put in, byte for byte and in their order."""
    given = fields(data)
    try:
        kept = _encode(given)
    except ValueError as error:
        assert not given or len(given) > FIELDS_MOST
        assert "fields" in str(error)
        return False
    flat = [part.encode() if isinstance(part, str) else part for part in decode(kept)]
    assert flat == [part for name, value in given.items() for part in (name.encode(), value)]
    return True
