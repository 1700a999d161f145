from servicekit.testing.contract import check_file, check_operations

from gateway.openapi import PUBLISHED


def test_the_published_file_is_what_the_code_says() -> None:
    check_file(PUBLISHED)


def test_every_operation_is_published() -> None:
    check_operations(PUBLISHED)
