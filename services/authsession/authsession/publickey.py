"""Ed25519 public keys of devices (RFC 8032)."""

import base64
import binascii
from typing import Final

LENGTH: Final = 32
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_SQRT_M1: Final = pow(2, (_P - 1) // 4, _P)


class InvalidPublicKeyError(ValueError):
    """Not a usable Ed25519 public key; the text says why and never repeats the key."""


def parse(text: str) -> bytes:
    """The 32 bytes of a public key in canonical base64 (RFC 4648, section 4, with padding).

    Raises InvalidPublicKeyError: the text is not that; the bytes are not the encoding of a point of the curve (RFC 8032,
    5.1.3); or the point has small order, so that one signature would verify for many messages.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPublicKeyError("it is not base64") from None
    if len(key) != LENGTH:
        raise InvalidPublicKeyError(f"it has {len(key)} bytes, not {LENGTH}")
    if base64.b64encode(key).decode() != text:
        raise InvalidPublicKeyError("its base64 is not canonical")
    _check_point(key)
    return key


def _check_point(key: bytes) -> None:
    encoded = int.from_bytes(key, "little")
    sign, y = encoded >> 255, encoded & (2**255 - 1)
    x = _recover_x(y, sign)
    for _ in range(
        3
    ):  # the cofactor is 8: a point of small order is the neutral element after three doublings
        x, y = _double(x, y)
    if (x, y) == (0, 1):
        raise InvalidPublicKeyError("it is a point of small order")


def _recover_x(y: int, sign: int) -> int:
    """The x of RFC 8032, 5.1.3. Raises InvalidPublicKeyError when there is none."""
    if y >= _P:
        raise InvalidPublicKeyError("its y coordinate is not reduced")
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == -u % _P:
        x = x * _SQRT_M1 % _P
    if v * x * x % _P != u:
        raise InvalidPublicKeyError("it is not a point of the curve")
    if x == 0 and sign:
        raise InvalidPublicKeyError("it encodes a negative zero")
    return _P - x if x & 1 != sign else x


def _double(x: int, y: int) -> tuple[int, int]:
    """The point added to itself, in affine coordinates (RFC 8032, 5.1)."""
    product = _D * x * x * y * y % _P
    return (
        2 * x * y * pow(1 + product, -1, _P) % _P,
        (y * y + x * x) * pow(1 - product, -1, _P) % _P,
    )
