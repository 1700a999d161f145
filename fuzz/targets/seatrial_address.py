"""Target: addresses that a child reports in `X_LISTEN_<NAME>`."""

from seatrial.processes.listener import Address

from targets.inputs import text


def check(data: bytes) -> bool:
    """A text is no address, or it is the address' own text again, up to zeros before the port."""
    given = text(data)
    if given is None:
        return False
    try:
        address = Address.parse(given)
    except ValueError as error:
        assert "host:port" in str(error)
        return False
    assert 0 < address.port < 65536
    assert address.host
    assert Address.parse(str(address)) == address
    return True
