"""Target: addresses as they come from configuration."""

from servicekit.parsers import Address

from targets.inputs import text


def check(data: bytes) -> bool:
    """An address is refused with a remedy, or it is read back from its own text."""
    given = text(data)
    if given is None:
        return False
    try:
        address = Address.parse(given)
    except ValueError as error:
        assert "(give host:port" in str(error)
        return False
    assert address.host
    assert 0 <= address.port <= 65535
    assert Address.parse(str(address)) == address
    return True
