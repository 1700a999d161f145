import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lobby.names import InvalidName, game_name, race_key, race_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Terrans", "tERRANS"),
        ("Terrans", "\uff34\uff45\uff52\uff52\uff41\uff4e\uff53"),  # full width
        ("\u30ab\u30bf\u30ab\u30ca", "\uff76\uff80\uff76\uff85"),  # half width
        ("Stra\u00dfe", "STRASSE"),
        ("\ufb01sh", "FISH"),  # a ligature
        ("Caf\u00e9", "Cafe\u0301"),
        (
            "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2",
            "\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3",
        ),  # final sigma
        ("Deep  Blue", " deep\u3000blue "),
        ("Mark \u2163", "mark iv"),
        ("\u212bngstr\u00f6m", "a\u030angstro\u0308m"),
    ],
)
def test_names_that_differ_in_case_width_or_form_alone_are_one(one: str, other: str) -> None:
    assert race_key(race_name(one)) == race_key(race_name(other))


@pytest.mark.parametrize(
    ("one", "other"), [("Terran", "Terrans"), ("a b", "ab"), ("e", "\u00e9"), ("o", "0")]
)
def test_other_names_stay_apart(one: str, other: str) -> None:
    assert race_key(race_name(one)) != race_key(race_name(other))


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u3000", "a\x00b", "a\nb", "a\u200bb", "\u202eabc", "a\ufe0f", "\u3164", "\u2028", "\ue000", "\ud800",
     "...", "\u0301", "x" * 33, "\ufdfa" * 2, "\ufb03" * 12],
)  # fmt: skip
def test_what_is_no_race_name(text: str) -> None:
    with pytest.raises(InvalidName):
        race_name(text)


def test_bounds() -> None:
    assert race_name("x" * 32) == "x" * 32
    assert race_name("  A \t".replace("\t", " ") + "b") == "A b"
    assert game_name("g" * 64) == "g" * 64
    with pytest.raises(InvalidName, match="65 characters"):
        game_name("g" * 65)


@given(st.text(max_size=40))
@example("\u037a\u0301a")
def test_a_name_is_stable(text: str) -> None:
    try:
        shown = race_name(text)
    except InvalidName:
        return
    assert race_name(shown) == shown
    key = race_key(shown)
    assert race_key(key) == key
    assert 1 <= len(key) <= 32
    assert unicodedata.is_normalized("NFKC", key)
    assert {race_key(unicodedata.normalize(form, shown)) for form in ("NFD", "NFKC", "NFKD")} == {key}
