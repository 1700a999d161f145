"""Target: e-mail addresses that people sign in with."""

from authsession.address import MAX_LOCAL_OCTETS, MAX_OCTETS, InvalidAddressError, normalise

from targets.inputs import text


def check(data: bytes) -> bool:
    """An address is refused without being quoted, or it has one form, which is the form of that form."""
    given = text(data)
    if given is None:
        return False
    try:
        address = normalise(given)
    except InvalidAddressError as error:
        assert len(given) < 8 or given not in str(error)
        return False
    local, _, domain = address.rpartition("@")
    assert 0 < len(local.encode()) <= MAX_LOCAL_OCTETS
    assert len(address.encode()) <= MAX_OCTETS
    assert "." in domain
    assert not any(character.isspace() for character in address)
    assert normalise(address) == address
    return True
