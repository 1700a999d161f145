import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsession.address import InvalidAddressError, normalise


@pytest.mark.parametrize(
    ("typed", "normalised"),
    [
        ("ada@example.test", "ada@example.test"),
        ("Ada.Lovelace+Login@EXAMPLE.Test", "ada.lovelace+login@example.test"),
        ("STRASSE@example.test", "strasse@example.test"),
        ("straße@example.test", "strasse@example.test"),
        ("ada@straße.test", "ada@straße.test"),
        ("jose\u0301@example.test", "jos\u00e9@example.test"),
        ("ΑΛΦΑ@ΠΑΡΆΔΕΙΓΜΑ.δοκιμή", "αλφα@παράδειγμα.δοκιμή"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("a@हिन्दी.example", "a@हिन्दी.example"),
        ("!#$%&'*+-/=?^_`{|}~@example.test", "!#$%&'*+-/=?^_`{|}~@example.test"),
    ],
)
def test_one_form_for_each_way_to_write_an_address(typed: str, normalised: str) -> None:
    assert normalise(typed) == normalised


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.test",
        "ada@",
        "ada@localhost",
        "ada@example.",
        "ada@.test",
        "ada@exa_mple.test",
        "ada@-example.test",
        "ada@example-.test",
        "ada@[127.0.0.1]",
        "ada@example.test\n",
        " ada@example.test",
        "a da@example.test",
        "ada\x00@example.test",
        "ada\u200b@example.test",
        "ada@@example.test",
        "ada@b@example.test",
        '"ada"@example.test',
        "ada..l@example.test",
        ".ada@example.test",
        "ada.@example.test",
        "Ada <ada@example.test>",
        "ada@example.test,bob@example.test",
        "ada\u037e@example.test",  # NFC makes a semicolon of it
        f"{'a' * 65}@example.test",
        f"a@{'b' * 64}.test",
        f"a@{'.'.join(['b' * 60] * 5)}",
        f"{'é' * 33}@example.test",
        "\ud800@example.test",
    ],
)
def test_what_is_no_address_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidAddressError) as refused:
        normalise(text)
    assert not text or text not in str(refused.value)


local_parts = st.text(
    st.characters(exclude_categories=["Z", "C"], exclude_characters='()<>[]:;@\\,".'), min_size=1, max_size=12
)
labels = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=8)


@given(local=local_parts, domain=st.lists(labels, min_size=2, max_size=3).map(".".join))
def test_normalising_twice_changes_nothing(local: str, domain: str) -> None:
    try:
        once = normalise(f"{local}@{domain}")
    except InvalidAddressError:
        return
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)


@given(
    local=st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True),
    domain=st.from_regex(r"[a-z]{1,9}\.[a-z]{2,5}", fullmatch=True),
)
def test_case_and_composition_make_no_difference(local: str, domain: str) -> None:
    address = f"{local}é@{domain}"
    assert normalise(address.upper()) == normalise(unicodedata.normalize("NFD", address)) == address


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        local, _, domain = normalise(text).rpartition("@")
    except InvalidAddressError:
        return
    assert local
    assert "." in domain
