from pathlib import Path

import pytest

import mutant
from mutant import Mutant, MutantError

HEADER = 'breaks = "It costs nothing."\npromise = "Everything has its price."\nboundary = "integration/shop_suite"\n\n'
DIFF = "--- a/shop/shop/price.py\n+++ b/shop/shop/price.py\n@@ -1,1 +1,1 @@\n-a\n+b\n"


def written(folder: Path, text: str, name: str = "free", service: str = "shop") -> Path:
    path = folder / service / f"{name}.patch"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_mutant_says_what_it_breaks(tmp_path: Path) -> None:
    read = mutant.load(written(tmp_path, HEADER + DIFF))
    assert (read.id, read.breaks, read.boundary) == (
        "shop/free",
        "It costs nothing.",
        "integration/shop_suite",
    )
    assert list(read.patch) == ["shop/shop/price.py"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DIFF, "the header must give breaks, promise, boundary"),
        (HEADER.replace("It costs nothing.", " ") + DIFF, "the header must give"),
        ('service = "x"\n' + HEADER + DIFF, "the header must give"),
        ("breaks = \n" + DIFF, "not TOML"),
        (HEADER, "no diff"),
        (HEADER + DIFF.replace("shop/shop", "bank/bank"), "no source of shop"),
        (HEADER + DIFF.replace("price.py", "price_test.py"), "no source of shop"),
        (HEADER + DIFF.replace("shop/shop/price.py", "shop/api/openapi.yaml"), "no source of shop"),
    ],
)
def test_a_file_that_is_no_mutant_is_an_error_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(MutantError, match=said) as caught:
        mutant.load(path)
    assert str(path) in str(caught.value)


@pytest.fixture
def some(tmp_path: Path) -> list[Mutant]:
    for name in ("free", "dear"):
        written(tmp_path, HEADER + DIFF, name)
    written(tmp_path, HEADER + DIFF.replace("shop/shop", "bank/bank"), "broke", "bank")
    return mutant.load_all(tmp_path)


@pytest.mark.parametrize(
    ("words", "services", "expected"),
    [
        ([], [], ["bank/broke", "shop/dear", "shop/free"]),
        (["free"], [], ["shop/free"]),
        (["shop/*"], [], ["shop/dear", "shop/free"]),
        (["*r*"], ["bank"], ["bank/broke"]),
        ([], ["shop"], ["shop/dear", "shop/free"]),
    ],
)
def test_mutants_are_chosen_by_name_and_service(
    some: list[Mutant], words: list[str], services: list[str], expected: list[str]
) -> None:
    assert [each.id for each in mutant.chosen(some, words, services)] == expected


@pytest.mark.parametrize(
    ("words", "services"), [(["nobody"], []), ([], ["nobody"]), (["free", "nobody"], [])]
)
def test_a_choice_that_fits_nothing_is_named(
    some: list[Mutant], words: list[str], services: list[str]
) -> None:
    with pytest.raises(MutantError, match="nobody"):
        mutant.chosen(some, words, services)
