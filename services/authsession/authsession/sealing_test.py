import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsession.sealing import BrokenSealError, Sealer, new_code

PEPPER = bytes(range(32))


def test_a_code_has_six_digits_and_uses_all_of_them() -> None:
    codes = [new_code() for _ in range(2000)]
    assert all(len(code) == 6 and code.isascii() and code.isdecimal() for code in codes)
    assert {digit for code in codes for digit in code} == set("0123456789")
    assert any(code.startswith("0") for code in codes)
    assert len(set(codes)) > 1900


def test_hashes_depend_on_the_pepper_the_challenge_and_the_code() -> None:
    sealer, other = Sealer(PEPPER), Sealer(bytes(32))
    hashes = {
        sealer.hash_code("c_1", "123456"),
        sealer.hash_code("c_2", "123456"),
        sealer.hash_code("c_1", "123457"),
        other.hash_code("c_1", "123456"),
        sealer.hash_address("ada@example.test"),
        other.hash_address("ada@example.test"),
    }
    assert len(hashes) == 6
    assert all("123456" not in text and "ada" not in text and len(text) == 43 for text in hashes)
    assert sealer.same(sealer.hash_code("c_1", "123456"), Sealer(PEPPER).hash_code("c_1", "123456"))
    assert not sealer.same(sealer.hash_code("c_1", "123456"), "")


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_a_sealed_address_opens_again(address: str) -> None:
    sealer = Sealer(PEPPER)
    assert sealer.unseal("c_1", sealer.seal("c_1", address)) == address


def test_a_seal_holds_for_one_challenge_and_one_pepper_and_shows_any_change() -> None:
    sealed = Sealer(PEPPER).seal("c_1", "ada@example.test")
    assert sealed != Sealer(PEPPER).seal("c_1", "ada@example.test")
    raw = bytearray(base64.urlsafe_b64decode(sealed))
    assert b"ada" not in raw
    raw[-1] ^= 1
    changed = base64.urlsafe_b64encode(raw).decode()
    for pepper, challenge_id, text in [
        (PEPPER, "c_2", sealed),
        (bytes(32), "c_1", sealed),
        (PEPPER, "c_1", changed),
        (PEPPER, "c_1", ""),
    ]:
        with pytest.raises(BrokenSealError):
            Sealer(pepper).unseal(challenge_id, text)
