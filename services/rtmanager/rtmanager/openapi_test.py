import json
from typing import Any

from servicekit import inbox, outbox
from servicekit.testing.contract import check_file, check_operations, check_patterns

from rtmanager import errors, messages, wire
from rtmanager.conftest import MIGRATIONS
from rtmanager.openapi import PUBLISHED
from rtmanager.operations import OPERATIONS

STREAMS: dict[str, Any] = json.loads((PUBLISHED.path.parent / "streams.schema.json").read_text())


def test_the_published_file_is_what_the_code_says() -> None:
    check_file(PUBLISHED)


def test_every_operation_is_published_with_its_codes() -> None:
    check_operations(PUBLISHED)
    assert len(OPERATIONS) == 8
    for operation in OPERATIONS:
        for status, codes in operation.errors.items():
            assert all(errors.STATUSES[code] == status for code in codes)


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
    samples = ["a", "ab", "1", "1-0", "a" * 64, "http://game-g1:8080"]
    check_patterns(PUBLISHED.document(), STREAMS, samples=samples)
