import json
from typing import Any

import yaml
from servicekit.testing.contract import check_file, check_operations, check_patterns

from authsession.openapi import PUBLISHED
from authsession.operations import OPERATIONS

API = PUBLISHED.path.parent
ADAPTERS: dict[str, Any] = yaml.safe_load((API / "adapters.openapi.yaml").read_text())


def test_the_published_file_is_what_the_code_says() -> None:
    check_file(PUBLISHED)


def test_every_operation_is_published_with_its_codes() -> None:
    check_operations(PUBLISHED)
    assert len(OPERATIONS) == 7


def test_the_adapters_contract_names_what_is_called() -> None:
    from authsession import mail, users

    assert set(ADAPTERS["paths"]) == {mail.PATH, users.PATH}


def test_no_pattern_lets_a_line_end_through() -> None:
    streams = json.loads((API / "streams.schema.json").read_text())
    check_patterns(
        PUBLISHED.document(), ADAPTERS, streams, samples=["a", "ab", "1", "012345", "A" * 43 + "="]
    )
