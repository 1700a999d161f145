"""What is published of the streams is what the code reads and writes."""

import re
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
from servicekit.streams import Entry, Reject
from servicekit.testing.contract import patterns

from lobby import intents, jobs, results, users
from lobby.entries import fields
from lobby.openapi import PUBLISHED
from lobby.testing import streams

GAME = "g-" + "0" * 32
RESULT = {
    "operation": "start",
    "requested_at_ms": "1700000000000",
    "game_id": GAME,
    "outcome": "success",
    "container_id": "c" * 64,
    "engine_endpoint": "http://x:8080",
    "error_code": "",
    "error_message": "",
}
EVENT = {"event": "user.blocked", "user_id": "ada", "occurred_at_ms": "1700000000000"}


def test_every_stream_is_published() -> None:
    known = {jobs.START_JOBS, jobs.STOP_JOBS, intents.STREAM}
    known |= {results.STREAM, results.REJECTED, users.STREAM, users.REJECTED}
    assert set(streams.PUBLISHED["x-keys"]) == known


def test_every_intent_is_published() -> None:
    package = Path(__file__).parent
    code = "".join(path.read_text() for path in package.glob("*.py") if not path.name.endswith("_test.py"))
    called = set(re.findall(r'"((?:application|invite|member|game)_[a-z_]+)"', code))
    published = streams.PUBLISHED["$defs"]["intent"]["properties"]["notification_type"]["enum"]
    names = {name.removeprefix("lobby.") for name in published}
    assert names <= called
    assert (
        not {
            name
            for name in called
            if re.search(r"(submitted|approved|created|accepted|ready|started)$", name)
        }
        - names
    )


@pytest.mark.parametrize(
    ("stream", "kind", "good"),
    [(results.STREAM, results.JobResult, RESULT), (users.STREAM, users.LifecycleEvent, EVENT)],
)
def test_what_is_read_is_what_is_published(
    stream: str, kind: type[msgspec.Struct], good: dict[str, str]
) -> None:
    bad_values = ["", "x y", "0", "a\n", "A", "1" * 17, "\u00e9"]
    for name, right in good.items():
        for value in [right, *bad_values]:
            assert reads(kind, {**good, name: value}) == published(stream, {**good, name: value}), (
                name,
                value,
            )
        rest = {field: value for field, value in good.items() if field != name}
        assert not reads(kind, rest)
        assert not published(stream, rest)
    assert reads(kind, good)


def reads(kind: type[msgspec.Struct], entry: dict[str, str]) -> bool:
    try:
        fields(Entry("1-1", {name: value.encode() for name, value in entry.items()}), kind)
    except Reject:
        return False
    return True


def published(stream: str, entry: dict[str, str]) -> bool:
    try:
        streams.check(stream, entry)
    except jsonschema_rs.ValidationError:
        return False
    return True


def test_no_pattern_lets_a_line_end_through() -> None:
    found = patterns(streams.PUBLISHED, PUBLISHED.document())
    assert len(found) > 10
    for pattern in found:
        assert pattern.endswith(r"(?!\n)$"), pattern
