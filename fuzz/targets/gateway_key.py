"""Target: public keys in base64, as the sessions' projection holds them."""

import base64

from gateway.signing import decode_key

from targets.inputs import text


def check(data: bytes) -> bool:
    """A key is 32 bytes whose base64 is the text to the letter; the error does not show the text."""
    given = text(data)
    if given is None:
        return False
    try:
        key = decode_key(given)
    except ValueError as error:
        assert len(given) < 8 or given not in str(error)
        return False
    assert len(key) == 32
    assert base64.b64encode(key).decode() == given
    return True
