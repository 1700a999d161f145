import pytest

from engine.races import InvalidRacesError, check, fold, same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada", "ADA"),
        ("ＡＤＡ", "ada"),  # noqa: RUF001 - full width
        ("Straße", "STRASSE"),
        ("ﬁn", "FIN"),
        ("e\u0301", "É"),
        ("ΣΑΣ", "σας"),
    ],
)
def test_case_and_width_do_not_count(one: str, other: str) -> None:
    assert fold(one) == fold(other)
    with pytest.raises(InvalidRacesError, match="the same"):
        check([one, other])


@pytest.mark.parametrize("name", [" Ada", "Ada ", "A\nda", "A\x00", "\u3164x\u202e", "\ue000", " "])
def test_a_name_that_cannot_be_told_apart_is_refused(name: str) -> None:
    with pytest.raises(InvalidRacesError):
        check(["Bob", name])


def test_the_same_races_in_another_order_and_spelling_are_the_same() -> None:
    assert same(["Ada", "Bob"], ["bob", "ADA"])
    assert not same(["Ada", "Bob"], ["Ada", "Bob", "Cyd"])
    assert not same(["Ada", "Bob"], ["Ada", "Cyd"])
