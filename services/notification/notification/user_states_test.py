import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from servicekit.streams import Entry, Reject

from notification.testing.samples import fields
from notification.testing.world import World
from notification.user_states import UserStates, unreachable

STREAMS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api" / "streams.schema.json").read_text())
EVENT = jsonschema_rs.validator_for(STREAMS | {"$ref": "#/$defs/lifecycle_event"})


def tell(world: World, event: str, at_ms: int = 1, user_id: str = "u-1", **more: str) -> None:
    """An event of the user service."""
    entry = {"event": event, "user_id": user_id, "occurred_at_ms": str(at_ms), **more}
    EVENT.validate(entry)
    told = UserStates(world.database).handle(
        Entry("1-0", {name: value.encode() for name, value in entry.items()})
    )
    world.run(told)


def why(world: World) -> dict[str, str]:
    """Who gets nothing."""
    return dict(world.run(unreachable(world.database, ["u-1", "u-2"])))


def test_a_blocked_user_gets_nothing_until_he_is_unblocked(world: World) -> None:
    world.users.add("u-1")
    world.users.add("u-2")
    instance = world.instance()
    tell(world, "user.blocked", 1, reason_code="abuse")
    world.run(instance.take(fields(recipient_user_ids=["u-1", "u-2"])))
    world.run(instance.attempt(instance.mails))
    assert sorted(world.states()) == [
        ("email", "u-1", "suppressed", "user_blocked"),
        ("email", "u-2", "delivered", ""),
        ("push", "u-1", "suppressed", "user_blocked"),
        ("push", "u-2", "delivered", ""),
    ]
    tell(world, "user.unblocked", 2)
    world.run(instance.take(fields("lobby.game_started", idempotency_key="k-2")))
    assert [event["user_id"] for event in world.pushes()] == ["u-2", "u-1"]
    assert [call.user_id for call in world.users.calls] == ["u-2"]


def test_who_is_blocked_while_his_routes_wait_gets_nothing(world: World) -> None:
    instance = world.instance()
    world.command("SET", "gateway:client-events", "no stream")
    world.run(instance.take(fields()))
    world.command("DEL", "gateway:client-events")
    tell(world, "user.deleted")
    world.run(instance.attempt(instance.pushes))
    world.run(instance.attempt(instance.mails))
    assert world.states() == [
        ("push", "u-1", "suppressed", "user_deleted"),
        ("email", "u-1", "suppressed", "user_deleted"),
    ]
    assert world.pushes() == world.mails() == []
    assert world.users.calls == []


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([("user.blocked", 1), ("user.unblocked", 2)], {}),
        ([("user.unblocked", 2), ("user.blocked", 1)], {}),
        ([("user.blocked", 1), ("user.unblocked", 2), ("user.blocked", 1)], {}),
        ([("user.unblocked", 1), ("user.blocked", 2)], {"u-1": "user_blocked"}),
        ([("user.blocked", 1), ("user.deleted", 2)], {"u-1": "user_deleted"}),
        ([("user.deleted", 1), ("user.unblocked", 2)], {"u-1": "user_deleted"}),
        ([("user.renamed", 1)], {}),
    ],
)
def test_the_latest_event_counts_in_whatever_order_they_come(
    world: World, events: list[tuple[str, int]], state: dict[str, str]
) -> None:
    for event, at_ms in events:
        tell(world, event, at_ms)
    assert why(world) == state


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event": None}, "event is missing"),
        ({"event": b"blocked"}, "event is not dotted lower-case words"),
        ({"user_id": None}, "user_id is missing"),
        ({"user_id": b"u 1"}, "user_id is not 1 to 128 characters of visible ASCII"),
        ({"user_id": b"\xff"}, "user_id is not 1 to 128 characters of visible ASCII"),
        ({"occurred_at_ms": b"now"}, "occurred_at_ms is not Unix milliseconds in decimal"),
    ],
)
def test_a_malformed_event_is_set_aside(world: World, changes: dict[str, bytes | None], reason: str) -> None:
    entry = {"event": b"user.blocked", "user_id": b"u-1", "occurred_at_ms": b"1"} | changes
    kept = {name: value for name, value in entry.items() if value is not None}
    with pytest.raises(Reject, match=reason):
        world.run(UserStates(world.database).handle(Entry("1-0", kept)))
