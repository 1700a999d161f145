"""Target: Ed25519 public keys of devices (RFC 8032)."""

import base64

from authsession.publickey import InvalidPublicKeyError, parse

from targets.inputs import text


def check(data: bytes) -> bool:
    """A key is refused without being quoted, or it is 32 bytes whose base64 is the text to the letter."""
    given = text(data)
    if given is None:
        return False
    try:
        key = parse(given)
    except InvalidPublicKeyError as error:
        assert len(given) < 8 or given not in str(error)
        return False
    assert len(key) == 32
    assert base64.b64encode(key).decode() == given
    assert key != bytes([1, *bytes(31)])
    return True
