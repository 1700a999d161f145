from gateway.openapi import PATH, document, text
from gateway.public_api import OPERATIONS


def test_the_published_file_is_what_the_code_says() -> None:
    assert PATH.read_text(encoding="utf-8") == text()


def test_every_operation_is_published() -> None:
    published = {
        (method.upper(), path, operation["operationId"])
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    }
    assert published == {(operation.method, operation.path, operation.id) for operation in OPERATIONS}
