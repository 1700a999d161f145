import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from authsession.publickey import InvalidPublicKeyError, parse

P = 2**255 - 19


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def public_key(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


@given(st.binary(min_size=32, max_size=32))
def test_the_public_key_of_every_seed_is_accepted(seed: bytes) -> None:
    key = public_key(seed)
    assert parse(encoded(key)) == key


def test_the_vectors_of_rfc_8032_are_accepted() -> None:
    for text in (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    ):
        assert parse(encoded(bytes.fromhex(text))).hex() == text


# The points of small order, and their encodings that are not canonical.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_points_of_small_order_are_refused(key: str) -> None:
    with pytest.raises(InvalidPublicKeyError):
        parse(encoded(bytes.fromhex(key)))


def test_bytes_that_are_no_point_are_refused() -> None:
    with pytest.raises(InvalidPublicKeyError, match="not a point of the curve"):
        parse(encoded((2).to_bytes(32, "little")))


def test_a_coordinate_that_is_not_reduced_is_refused() -> None:
    key = public_key(bytes(32))
    y = int.from_bytes(key, "little") & (2**255 - 1)
    assert y >= 19  # so that y + P does not fit: only the smallest coordinates have a second encoding
    for small in range(19):
        with pytest.raises(InvalidPublicKeyError):
            parse(encoded((P + small).to_bytes(32, "little")))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.rstrip("="),
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text + "AAAA",
        lambda text: text[:-4],
        lambda text: text.replace("/", "_").replace("+", "-"),
        lambda text: text[:-2] + chr(ord(text[-2]) + 1) + "=",
        lambda _: "",
        lambda _: "é" * 44,
        lambda _: "=" * 44,
    ],
)
def test_only_canonical_base64_of_32_bytes_is_accepted(change: "object") -> None:
    assert callable(change)
    key = next(k for n in range(256) if {"+", "/"} <= set(encoded(k := public_key(bytes([n]) * 32))))
    text = encoded(key)
    assert parse(text) == key
    with pytest.raises(InvalidPublicKeyError):
        parse(change(text))


@given(st.text(max_size=60))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        assert len(parse(text)) == 32
    except InvalidPublicKeyError:
        return
