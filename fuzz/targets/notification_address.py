"""Target: e-mail addresses that mail is sent to, and how support sees them."""

from email.headerregistry import Address

from notification.address import MAX_OCTETS, InvalidAddress, checked, masked, recipient_id

from targets.inputs import text


def check(data: bytes) -> bool:
    """An address is refused without being quoted, or it can stand in a header by itself; masked, it shows no more than it may."""
    given = text(data)
    if given is None:
        return False
    try:
        address = checked(given)
    except InvalidAddress as error:
        assert len(given) < 8 or given not in str(error)
        return False
    assert address == given
    assert len(address.encode()) <= MAX_OCTETS
    assert "\n" not in address
    assert "\r" not in address
    local, _, domain = address.partition("@")
    shown = masked(address)
    top = domain.rpartition(".")[2]
    assert shown.startswith(f"{local[:1]}***@")
    assert len(shown) <= len("a***@e***.") + len(top)
    assert recipient_id(address) == recipient_id(address.upper().lower())
    if address.isascii() and all(address.replace("@", ".").split(".")):
        assert Address(addr_spec=address).username == local
    return True
