import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notification.intents import MAX_RECIPIENTS, InvalidIntent, parse
from notification.testing.samples import CATALOGUE, fields, intent, payload

STREAMS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api" / "streams.schema.json").read_text())
SCHEMA = jsonschema_rs.validator_for(STREAMS | {"$ref": "#/$defs/intent"})


def refusal(of: str = "lobby.invite_created", /, **changes: object) -> str:
    with pytest.raises(InvalidIntent) as refused:
        parse(fields(of, **changes), CATALOGUE)
    return str(refused.value)


@pytest.mark.parametrize("notification_type", sorted(CATALOGUE))
def test_every_type_is_taken(notification_type: str) -> None:
    entry = fields(notification_type)
    SCHEMA.validate({name: value.decode() for name, value in entry.items()})
    taken = parse(entry, CATALOGUE)
    assert taken.notification_type == notification_type
    assert taken.audience_kind == CATALOGUE[notification_type].audience_kind
    assert json.loads(taken.payload) == payload(notification_type)


def test_an_intent_has_what_its_entry_says() -> None:
    taken = intent(
        recipient_user_ids=["u-1", "u-2"],
        idempotency_key="lobby/invite:1",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        request_id="r-7",
        occurred_at_ms="1790000000123",
    )
    assert taken.recipients == ("u-1", "u-2")
    assert taken.idempotency_key == "lobby/invite:1"
    assert taken.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (taken.request_id, taken.occurred_at_ms, taken.producer) == ("r-7", 1790000000123, "lobby")


@pytest.mark.parametrize("name", sorted(fields()))
def test_every_field_must_be_there_and_be_text(name: str) -> None:
    assert refusal(**{name: None}) == f"malformed_intent: {name} is missing"
    assert refusal(**{name: b"\xff"}) == f"malformed_intent: {name} is not UTF-8"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"more": "x"}, "unknown field"),
        ({"idempotency_key": ""}, "idempotency_key"),
        ({"idempotency_key": "with space"}, "idempotency_key"),
        ({"idempotency_key": "k" * 257}, "idempotency_key"),
        ({"idempotency_key": "key\n"}, "idempotency_key"),
        ({"producer": "Lobby"}, "producer"),
        ({"producer": ""}, "producer"),
        ({"request_id": ""}, "request_id"),
        ({"trace_id": "0" * 32}, "trace_id"),
        ({"trace_id": "4BF92F3577B34DA6A3CE929D0E0E4736"}, "trace_id"),
        ({"occurred_at_ms": "0"}, "occurred_at_ms"),
        ({"occurred_at_ms": "-1"}, "occurred_at_ms"),
        ({"occurred_at_ms": "1e3"}, "occurred_at_ms"),
        ({"occurred_at_ms": "12345678901234567"}, "occurred_at_ms"),
        ({"audience_kind": "admin_email"}, "audience_kind"),
        ({"audience_kind": "everybody"}, "audience_kind"),
        ({"recipient_user_ids": []}, "recipient_user_ids"),
        ({"recipient_user_ids": "u-1"}, "recipient_user_ids"),
        ({"recipient_user_ids": '["u-1"'}, "recipient_user_ids"),
        ({"recipient_user_ids": [1]}, "recipient_user_ids"),
        ({"recipient_user_ids": [""]}, "recipient_user_ids"),
        ({"recipient_user_ids": ["u 1"]}, "recipient_user_ids"),
        ({"recipient_user_ids": ["u-1", "u-1"]}, "recipient_user_ids"),
        ({"recipient_user_ids": [f"u-{n}" for n in range(MAX_RECIPIENTS + 1)]}, "recipient_user_ids"),
        ({"payload": ""}, "payload"),
        ({"payload": "[]"}, "payload"),
        ({"payload": "{}"}, "game_id"),
        ({"payload": payload("lobby.invite_created") | {"more": 1}}, "more"),
        ({"payload": payload("lobby.invite_created") | {"game_name": 1}}, "game_name"),
        ({"payload": payload("lobby.invite_created") | {"game_name": ""}}, "game_name"),
        ({"payload": payload("lobby.invite_created") | {"game_name": "n" * 257}}, "game_name"),
        ({"payload": payload("lobby.invite_created") | {"game_id": "g 1"}}, "game_id"),
        ({"payload": json.dumps(payload("lobby.invite_created")) + "{}"}, "payload"),
        ({"payload": " " * 32769}, "payload"),
        ({"payload": '{"game_id":"g","game_id":"h","game_name":"n","inviter_user_id":"u"}'}, "once"),
    ],
)  # fmt: skip
def test_malformed_entries_are_refused_by_name(changes: dict[str, object], named: str) -> None:
    reason = refusal(**changes)
    assert reason.startswith("malformed_intent: ")
    assert named in reason


def test_an_unknown_type_is_told_apart() -> None:
    assert refusal(notification_type="lobby.unheard_of").startswith("unknown_notification_type: ")


def test_an_image_that_is_not_known_is_told_all_the_same() -> None:
    unknown = payload("runtime.container_start_failed") | {"image_ref": "", "error_message": ""}
    assert json.loads(intent("runtime.container_start_failed", payload=unknown).payload) == unknown


def test_administrators_are_nobody_by_name() -> None:
    assert "recipient_user_ids" in refusal("runtime.image_pull_failed", recipient_user_ids=["u-1"])


def test_the_same_content_is_the_same_whatever_it_came_with() -> None:
    one = intent(recipient_user_ids=["u-1", "u-2"])
    call = {"request_id": "another", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
    spaced = json.dumps(payload("lobby.invite_created"), indent=4)
    assert one.content_hash == intent(recipient_user_ids=["u-2", "u-1"], payload=spaced, **call).content_hash
    assert intent(idempotency_key="another").content_hash == intent().content_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient_user_ids": ["u-1", "u-2"]},
        {"recipient_user_ids": ["u-2"]},
        {"occurred_at_ms": "1790000000001"},
        {"producer": "admin"},
        {"payload": payload("lobby.invite_created") | {"game_name": "Another"}},
    ],
)
def test_other_content_is_other_content(changes: dict[str, object]) -> None:
    assert intent(**changes).content_hash != intent().content_hash


def test_another_type_with_the_same_payload_is_other_content() -> None:
    assert intent("lobby.game_paused").content_hash != intent("lobby.game_resumed").content_hash


@given(st.dictionaries(st.sampled_from(sorted(fields())), st.binary(max_size=64) | st.text(max_size=64)))
def test_whatever_comes_is_taken_or_refused_and_what_is_taken_matches_the_schema(
    changes: dict[str, bytes | str],
) -> None:
    entry = fields(**changes)
    code = ""
    try:
        parse(entry, CATALOGUE)
    except InvalidIntent as error:
        code = str(error).partition(":")[0]
    if code:
        assert code in {"malformed_intent", "unknown_notification_type"}
    else:
        SCHEMA.validate({name: value.decode() for name, value in entry.items()})
