import json
from typing import Any

import yaml

from authsession import openapi
from authsession.operations import OPERATIONS

API = openapi.PATH.parent
ADAPTERS: dict[str, Any] = yaml.safe_load((API / "adapters.openapi.yaml").read_text())


def test_the_published_file_is_what_the_code_says() -> None:
    assert openapi.PATH.read_text() == openapi.text(), "run `python -m authsession.openapi`"


def test_every_operation_is_published_with_its_codes() -> None:
    paths = yaml.safe_load(openapi.PATH.read_text())["paths"]
    for operation in OPERATIONS:
        published = paths[operation.path][operation.method.lower()]["responses"]
        for status, codes in operation.errors.items():
            assert set(codes) <= set(published[str(status)]["x-error-codes"])
    assert sum(len(item) for item in paths.values()) == len(OPERATIONS) == 7


def test_the_adapters_contract_names_what_is_called() -> None:
    from authsession import mail, users

    assert set(ADAPTERS["paths"]) == {mail.PATH, users.PATH}


def test_no_pattern_lets_a_line_end_through() -> None:
    import re

    def patterns(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
            return own + [found for value in node.values() for found in patterns(value)]
        return [found for item in node for found in patterns(item)] if isinstance(node, list) else []

    documents = [openapi.document(), ADAPTERS, json.loads((API / "streams.schema.json").read_text())]
    found = [pattern for document in documents for pattern in patterns(document)]
    assert len(found) > 10
    samples = ["a", "ab", "1", "012345", "A" * 43 + "="]
    for pattern in found:
        fitting = [sample for sample in samples if re.search(pattern, sample)]
        assert fitting, pattern
        assert not any(re.search(pattern, sample + "\n") for sample in fitting), pattern
