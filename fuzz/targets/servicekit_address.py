"""Target: addresses as they come from configuration."""

from servicekit.parsers import Address


def check(data: bytes) -> Address | None:
    """Read `data`; the address if it is one. Raises AssertionError when a promise of the parser does not hold."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    try:
        address = Address.parse(text)
    except ValueError as error:
        assert "(give host:port" in str(error)
        return None
    assert address.host
    assert 0 <= address.port <= 65535
    assert Address.parse(str(address)) == address
    return address
