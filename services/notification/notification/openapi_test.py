import json
from typing import Any

import yaml
from servicekit.testing.contract import check_file, check_operations, check_patterns

from notification import intents, mail, push, user_states, users
from notification.openapi import PUBLISHED
from notification.operations import OPERATIONS
from notification.templates import LOCALES

API = PUBLISHED.path.parent
ADAPTERS: dict[str, Any] = yaml.safe_load((API / "adapters.openapi.yaml").read_text())
STREAMS: dict[str, Any] = json.loads((API / "streams.schema.json").read_text())


def test_the_published_file_is_what_the_code_says() -> None:
    check_file(PUBLISHED)


def test_every_operation_is_published_with_its_codes() -> None:
    check_operations(PUBLISHED)
    assert len(OPERATIONS) == 5


def test_the_contracts_name_what_is_called_and_what_is_read_and_written() -> None:
    assert set(ADAPTERS["paths"]) == {users.PATH}
    assert set(STREAMS["x-keys"]) == {
        intents.STREAM, intents.REJECTED, user_states.STREAM, user_states.REJECTED, push.STREAM, mail.STREAM,
    }  # fmt: skip
    assert STREAMS["$defs"]["delivery_command"]["properties"]["locale"]["enum"] == list(LOCALES)


def test_no_pattern_lets_a_line_end_through() -> None:
    check_patterns(
        PUBLISHED.document(),
        ADAPTERS,
        STREAMS,
        samples=["a", "a.b", "1", "1-1", "a" * 32, "n_" + "A" * 43, "a@b", "user_not_found"],
        partial=("^entry", "^(malformed"),
    )
