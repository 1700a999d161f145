import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsession.language import negotiate

SUPPORTED = ("en", "de", "pt-BR")


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de-Latn-DE-1996", "de"),
        ("pt-br", "pt-BR"),
        ("pt", "en"),
        ("pt-BR-x-private", "pt-BR"),
        ("fr", "en"),
        ("fr, de;q=0.5", "de"),
        ("en;q=0.3, de;q=0.7", "de"),
        ("en;q=0.7, de;q=0.7", "en"),
        ("de;q=0.7, en;q=0.7", "de"),
        ("en;q=0.001,de;q=0.002", "de"),
        ("de;q=0", "en"),
        ("en;q=0, de;q=0.1", "de"),
        ("en;q=0, *", "de"),
        ("*;q=0.5, de", "de"),
        ("*, de;q=0.5", "en"),
        ("fr;q=1, *;q=0.1", "en"),
        ("en;q=0", "en"),
        (" de ; q=1.000 ,\ten", "de"),
        ("de;Q=0.9", "de"),
        ("de;q=1.001, en", "en"),
        ("de;q=2", "en"),
        ("de;q=0.1234, en;q=0.1", "en"),
        ("de;level=1", "en"),
        ("de;q", "en"),
        ("de_DE", "en"),
        ("toolonglanguage, de", "de"),
        (",, ,de", "de"),
        ("\uff44\uff45", "en"),
        ("en-x-de", "en"),
    ],
)
def test_the_best_supported_locale_wins(header: str | None, locale: str) -> None:
    assert negotiate(header, SUPPORTED) == locale


def test_the_first_supported_locale_is_the_fallback() -> None:
    assert negotiate("fr", ("de", "en")) == "de"


def test_only_so_many_ranges_are_looked_at() -> None:
    assert negotiate("fr," * 31 + "de", SUPPORTED) == "de"
    assert negotiate("fr," * 32 + "de", SUPPORTED) == "en"


@given(st.text())
def test_any_header_gives_a_supported_locale(header: str) -> None:
    assert negotiate(header, SUPPORTED) in SUPPORTED


weights = st.integers(0, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}")


@given(english=weights, german=weights)
def test_the_heavier_of_two_ranges_wins(english: str, german: str) -> None:
    expected = "de" if float(german) > float(english) else "en"
    assert negotiate(f"en;q={english}, de;q={german}", SUPPORTED) == expected


@given(tag=st.from_regex(r"de(-[A-Z0-9]{2,8}){0,3}", fullmatch=True))
def test_subtags_fall_back_to_the_language(tag: str) -> None:
    assert negotiate(f"fr, {tag};q=0.4, en;q=0.3", SUPPORTED) == "de"
