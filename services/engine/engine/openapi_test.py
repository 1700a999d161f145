from pathlib import Path

from servicekit.testing.contract import check_file, check_operations
from servicekit.testing.settings import check_readme

from engine.openapi import PUBLISHED
from engine.operations import OPERATIONS
from engine.service import SERVICE

README = Path(__file__).parents[1] / "README.md"


def test_the_published_file_is_what_the_code_says() -> None:
    check_file(PUBLISHED)


def test_every_operation_is_published_with_its_codes() -> None:
    check_operations(PUBLISHED)


def test_the_readme_lists_every_variable_with_its_default() -> None:
    check_readme(README, SERVICE)


def test_the_readme_names_every_error_code() -> None:
    text = README.read_text()
    for operation in OPERATIONS:
        for codes in operation.errors.values():
            for code in codes:
                assert f"`{code}`" in text, code
