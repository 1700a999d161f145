import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from servicekit.postgres import DatabaseUnavailable

from notification.intake import CONFLICT, parts
from notification.ledger import Arrival
from notification.testing.samples import CATALOGUE, fields, intent, payload
from notification.testing.world import World, content

STREAMS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api" / "streams.schema.json").read_text())
EVENT = jsonschema_rs.validator_for(STREAMS | {"$ref": "#/$defs/client_event"})
CONTENT = jsonschema_rs.validator_for(STREAMS | {"$ref": "#/$defs/client_payload"})
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_push_is_published_as_the_contract_says(world: World) -> None:
    entry = fields("lobby.game_started", trace_id=TRACE, occurred_at_ms="1790000000123")
    assert world.run(world.instance().take(entry)) == [""]
    (event,) = world.pushes()
    EVENT.validate(event)
    assert (event["event_type"], event["user_id"]) == ("lobby.game_started", "u-1")
    assert (event["occurred_at_ms"], event["trace_id"]) == ("1790000000123", TRACE)
    CONTENT.validate(content(event))
    assert content(event) == {
        "notification_type": "lobby.game_started",
        "occurred_at_ms": 1790000000123,
        "payload": payload("lobby.game_started"),
    }
    assert world.states() == [("push", "u-1", "delivered", "")]


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_type_goes_where_the_catalogue_says(world: World, name: str) -> None:
    world.users.add("u-1")
    instance = world.instance()
    assert world.run(instance.take(fields(name))) == [""]
    world.run(instance.attempt(instance.mails))
    known = CATALOGUE[name]
    recipients = ["u-1"] if known.audience_kind == "user" else ["admin", "admin"]
    assert len(world.pushes()) == (1 if "push" in known.channels else 0)
    assert len(world.mails()) == (len(recipients) if "email" in known.channels else 0)
    assert {state for _, _, state, _ in world.states()} == {"delivered"}
    assert [recipient.partition(":")[0] for _, recipient, _, _ in world.states()] == recipients * len(
        known.channels
    )


def test_a_batch_goes_out_in_its_order_one_event_for_each_recipient(world: World) -> None:
    entries = [
        fields("lobby.game_paused", idempotency_key=f"k-{9 - n}", recipient_user_ids=[f"u-{n}", "u-all"])
        for n in range(5)
    ]
    assert world.run(world.instance().take(*entries)) == [""] * 5
    assert [event["user_id"] for event in world.pushes()] == [
        recipient for n in range(5) for recipient in (f"u-{n}", "u-all")
    ]
    assert len({event["event_id"] for event in world.pushes()}) == 10


def test_the_same_again_is_a_no_op_in_a_batch_and_after(world: World) -> None:
    instance = world.instance()
    entry = fields("lobby.game_started")
    again = fields("lobby.game_started", request_id="another-call", trace_id=TRACE)
    assert world.run(instance.take(entry, again)) == ["", ""]
    assert world.run(instance.take(again)) == [""]
    assert len(world.pushes()) == 1
    assert len(world.rows("SELECT 1 FROM intents")) == 1
    assert instance.metrics.render().decode().count('notification_intents_total{outcome="duplicate"} 2') == 1


def test_other_content_under_a_key_is_refused_recorded_and_changes_nothing(world: World) -> None:
    instance = world.instance()
    first = fields("lobby.game_started")
    other = fields("lobby.game_started", recipient_user_ids=["u-2"], request_id="r-other")
    assert world.run(instance.take(first, other)) == ["", CONFLICT]
    assert world.run(instance.take(other)) == [CONFLICT]
    assert [event["user_id"] for event in world.pushes()] == ["u-1"]
    conflicts = world.rows("SELECT entry_id, request_id FROM intent_conflicts ORDER BY id")
    assert [tuple(row.values()) for row in conflicts] == [("2-0", "r-other"), ("3-0", "r-other")]


def test_a_redelivered_conflict_is_recorded_once(world: World) -> None:
    instance = world.instance()
    world.run(instance.take(fields("lobby.game_started")))
    other = fields("lobby.game_started", recipient_user_ids=["u-2"])
    for taken in (7, 7):
        instance.taken = taken
        assert world.run(instance.take(other)) == [CONFLICT]
    assert len(world.rows("SELECT 1 FROM intent_conflicts")) == 1


def test_what_is_malformed_does_not_keep_its_batch_back(world: World) -> None:
    batch = [
        fields("lobby.game_started", idempotency_key="k-1"),
        fields("lobby.game_started", idempotency_key="k-2", payload="{}"),
        fields("lobby.game_started", idempotency_key="k-3", notification_type="lobby.nonsense"),
        {"nothing": b"\xff"},
        fields("lobby.game_started", idempotency_key="k-4"),
    ]
    reasons = world.run(world.instance().take(*batch))
    assert [reason.partition(":")[0] for reason in reasons] == [
        "", "malformed_intent", "unknown_notification_type", "malformed_intent", "",
    ]  # fmt: skip
    assert len(world.pushes()) == 2


def test_text_that_postgres_would_not_take_is_taken(world: World) -> None:
    strange = payload("lobby.game_started") | {"game_name": "nul \0 and \ufffe and 😀"}
    assert world.run(world.instance().take(fields("lobby.game_started", payload=strange))) == [""]
    (event,) = world.pushes()
    assert content(event)["payload"]["game_name"] == "nul \0 and \ufffe and 😀"


def test_the_largest_intent_fits_the_gateways_bound(world: World) -> None:
    largest = payload("lobby.invite_created") | {"game_name": "😀" * 256, "game_id": "g" * 128}
    assert world.run(world.instance().take(fields(payload=largest))) == [""]
    EVENT.validate(world.pushes()[0])


def test_many_recipients_are_more_than_one_script_takes(world: World) -> None:
    recipients = [f"u-{n}" for n in range(1000)]
    assert world.run(world.instance().take(fields("lobby.game_started", recipient_user_ids=recipients))) == [
        ""
    ]
    assert [event["user_id"] for event in world.pushes()] == recipients


def test_a_batch_is_as_many_transactions_as_its_recipients_need() -> None:
    def sizes(*counts: int) -> list[list[int]]:
        arrivals = [
            Arrival(f"{n}-0", intent(recipient_user_ids=[f"u-{m}" for m in range(count)]))
            for n, count in enumerate(counts)
        ]
        return [[len(arrival.intent.recipients) for arrival in part] for part in parts(arrivals)]

    assert sizes() == []
    assert sizes(1, 2, 3) == [[1, 2, 3]]
    assert sizes(1000, 1, 999, 1, 1000) == [[1000], [1, 999], [1], [1000]]


def test_the_largest_batch_is_taken_in(world: World) -> None:
    recipients = [f"u-{n}" for n in range(1000)]
    batch = [fields(idempotency_key=f"k-{n}", recipient_user_ids=recipients) for n in range(3)]
    conflict = fields(idempotency_key="k-0", recipient_user_ids=["u-1"])
    assert world.run(world.instance().take(*batch, conflict)) == ["", "", "", CONFLICT]
    assert len(world.pushes()) == 3000
    assert len(world.rows("SELECT 1 FROM routes")) == 6000


def test_two_instances_that_take_the_same_entries_publish_them_once(world: World) -> None:
    one, other = world.instance(), world.instance()
    batch = [fields("lobby.game_started", idempotency_key=f"k-{n}") for n in range(50)]
    world.together(one.take(*batch), other.take(*reversed(batch)), one.take(*batch))
    assert len(world.pushes()) == 50
    assert {state for _, _, state, _ in world.states()} == {"delivered"}


def test_without_the_database_nothing_is_accepted_and_nothing_leaves(world: World) -> None:
    instance = world.instance()
    world.run(world.database.close())
    with pytest.raises(DatabaseUnavailable):
        world.run(instance.take(fields("lobby.game_started")))
    assert world.pushes() == []
