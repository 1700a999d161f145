import json
import re
from typing import Any

import yaml
from servicekit import inbox, outbox

from rtmanager import errors, messages, openapi, wire
from rtmanager.conftest import MIGRATIONS
from rtmanager.operations import OPERATIONS

STREAMS: dict[str, Any] = json.loads((openapi.PATH.parent / "streams.schema.json").read_text())


def test_the_published_file_is_what_the_code_says() -> None:
    assert openapi.PATH.read_text() == openapi.text(), "run `python -m rtmanager.openapi > api/openapi.yaml`"


def test_every_operation_is_published_with_its_codes() -> None:
    paths = yaml.safe_load(openapi.PATH.read_text())["paths"]
    for operation in OPERATIONS:
        published = paths[operation.path][operation.method.lower()]["responses"]
        for status, codes in operation.errors.items():
            assert set(codes) <= set(published[str(status)]["x-error-codes"])
            assert all(errors.STATUSES[code] == status for code in codes)
    assert sum(len(item) for item in paths.values()) == len(OPERATIONS) == 8


def test_the_streams_are_those_of_the_code() -> None:
    from rtmanager import jobs

    written = {messages.JOB_RESULTS, messages.HEALTH_EVENTS, messages.INTENTS}
    read = {jobs.START_JOBS, jobs.STOP_JOBS}
    assert set(STREAMS["x-keys"]) == written | read | {f"{stream}:rejected" for stream in read}
    assert STREAMS["$defs"]["game_id"]["pattern"] == wire.GAME_ID_PATTERN


def test_the_shared_tables_are_servicekits() -> None:
    sql = (MIGRATIONS / "0001_runtimes.sql").read_text()
    assert outbox.MIGRATION in sql
    assert inbox.MIGRATION in sql


def test_no_pattern_lets_a_line_end_through() -> None:
    def patterns(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["pattern"]] if isinstance(node.get("pattern"), str) else []
            return own + [found for value in node.values() for found in patterns(value)]
        return [found for item in node for found in patterns(item)] if isinstance(node, list) else []

    found = [pattern for document in (openapi.document(), STREAMS) for pattern in patterns(document)]
    assert len(found) > 10
    samples = ["a", "ab", "1", "1-0", "a" * 64, "http://game-g1:8080"]
    for pattern in found:
        fitting = [sample for sample in samples if re.search(pattern, sample)]
        assert fitting, pattern
        assert not any(re.search(pattern, f"{sample}\n") for sample in fitting), pattern
