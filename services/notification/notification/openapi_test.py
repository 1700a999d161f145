import json
import re
from typing import Any

import yaml

from notification import intents, mail, openapi, push, user_states, users
from notification.operations import OPERATIONS
from notification.templates import LOCALES

API = openapi.PATH.parent
ADAPTERS: dict[str, Any] = yaml.safe_load((API / "adapters.openapi.yaml").read_text())
STREAMS: dict[str, Any] = json.loads((API / "streams.schema.json").read_text())


def test_the_published_file_is_what_the_code_says() -> None:
    assert openapi.PATH.read_text() == openapi.text(), "run `python -m notification.openapi`"


def test_every_operation_is_published_with_its_codes() -> None:
    paths = yaml.safe_load(openapi.PATH.read_text())["paths"]
    for operation in OPERATIONS:
        published = paths[operation.path][operation.method.lower()]["responses"]
        for status, codes in operation.errors.items():
            assert set(codes) <= set(published[str(status)]["x-error-codes"])
    assert sum(len(item) for item in paths.values()) == len(OPERATIONS) == 5


def test_the_contracts_name_what_is_called_and_what_is_read_and_written() -> None:
    assert set(ADAPTERS["paths"]) == {users.PATH}
    assert set(STREAMS["x-keys"]) == {
        intents.STREAM, intents.REJECTED, user_states.STREAM, user_states.REJECTED, push.STREAM, mail.STREAM,
    }  # fmt: skip
    assert STREAMS["$defs"]["delivery_command"]["properties"]["locale"]["enum"] == list(LOCALES)


def test_no_pattern_lets_a_line_end_through() -> None:
    def patterns(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
            return own + [found for value in node.values() for found in patterns(value)]
        return [found for item in node for found in patterns(item)] if isinstance(node, list) else []

    found = [
        pattern for document in (openapi.document(), ADAPTERS, STREAMS) for pattern in patterns(document)
    ]
    assert len(found) > 10
    samples = ["a", "a.b", "1", "1-1", "a" * 32, "n_" + "A" * 43, "a@b", "user_not_found"]
    for pattern in found:
        if pattern.startswith(("^entry", "^(malformed")):
            continue  # the beginning of a name or a text, not the whole of it
        fitting = [sample for sample in samples if re.search(pattern, sample)]
        assert fitting, pattern
        assert not any(re.search(pattern, sample + "\n") for sample in fitting), pattern
