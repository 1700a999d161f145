import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from notification.address import recipient_id
from notification.templates import LOCALES, Template
from notification.testing.samples import CATALOGUE, fields, payload
from notification.testing.world import ADMINS, World

STREAMS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api" / "streams.schema.json").read_text())
COMMAND = jsonschema_rs.validator_for(STREAMS | {"$ref": "#/$defs/delivery_command"})
INVITE = "lobby.invite_created"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def outcome(world: World) -> tuple[str, str]:
    """State and error code of the one e-mail."""
    ((_, _, state, code),) = [row for row in world.states() if row[0] == "email"]
    return state, code


def longest(name: str) -> dict[str, Any]:
    """A payload of that type whose texts are as long as they may be."""
    sizes = {"game_name": 256, "race_name": 256, "error_message": 4096}
    return {
        field: ("ß\r\n" * sizes[field])[: sizes[field]] if field in sizes else value
        for field, value in payload(name).items()
    }


def send(world: World, entry: dict[str, bytes], **rules: Any) -> None:
    """Take an intent in, and attempt its e-mails once."""
    instance = world.instance(**rules)
    assert world.run(instance.take(entry)) == [""]
    world.run(instance.attempt(instance.mails))


def test_a_command_is_as_the_contract_says(world: World) -> None:
    world.users.add("u-1", email="ada@mail.example.test", preferred_language="de-AT")
    send(world, fields(INVITE, trace_id=TRACE, request_id="r-7"))
    (command,) = world.mails()
    COMMAND.validate(command)
    assert command["recipient_email"] == "ada@mail.example.test"
    assert (command["template"], command["locale"], command["source"]) == (INVITE, "de", "notification")
    assert command["subject"] == "Einladung zu Evening round"
    assert "u-inviter lädt dich" in command["text_body"]
    assert (command["requested_at_ms"], command["trace_id"]) == ("1790000000999", TRACE)
    assert command["delivery_id"] == command["idempotency_key"]
    assert [(call.user_id, call.request_id) for call in world.users.calls] == [("u-1", "r-7")]


@pytest.mark.parametrize("locale", LOCALES)
def test_every_mail_keeps_to_the_contract_at_its_longest(world: World, locale: str) -> None:
    world.users.add("u-1", preferred_language=locale)
    instance = world.instance()
    mailed = sorted(name for name, known in CATALOGUE.items() if "email" in known.channels)
    batch = [fields(name, payload=longest(name), idempotency_key=name) for name in mailed]
    assert world.run(instance.take(*batch)) == [""] * len(mailed)
    world.run(instance.attempt(instance.mails))
    commands = world.mails()
    assert {command["template"] for command in commands} == set(mailed)
    for command in commands:
        COMMAND.validate(command)


def test_administrators_get_one_mail_each_in_their_language(world: World) -> None:
    send(world, fields("runtime.image_pull_failed"))
    commands = world.mails()
    assert [command["recipient_email"] for command in commands] == list(ADMINS)
    assert {command["locale"] for command in commands} == {"de"}
    assert len({command["delivery_id"] for command in commands}) == 2
    assert world.users.calls == []
    assert [row[:3] for row in world.states()] == [
        ("email", recipient_id(address), "delivered") for address in ADMINS
    ]


def test_an_administrator_who_left_the_configuration_gets_nothing(world: World) -> None:
    before, after = world.instance(), world.instance(admins=ADMINS[:1])
    world.run(before.take(fields("runtime.image_pull_failed")))
    world.run(after.attempt(after.mails))
    assert [row[2:] for row in world.states()] == [
        ("delivered", ""),
        ("dead", "recipient_not_configured"),
    ]
    assert [command["recipient_email"] for command in world.mails()] == [ADMINS[0]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "blocked"}, ("suppressed", "user_blocked")),
        ({"email": ""}, ("dead", "no_address")),
        ({"email": "nobody"}, ("dead", "invalid_address")),
        ({"email": "ada@example.test\r\nBcc: all@example.test"}, ("dead", "invalid_address")),
        ({"preferred_language": ""}, ("delivered", "")),
        ({"preferred_language": "not a tag"}, ("delivered", "")),
    ],
)
def test_what_the_user_is_like_decides(
    world: World, changes: dict[str, str], expected: tuple[str, str]
) -> None:
    world.users.add("u-1", **changes)
    send(world, fields(INVITE))
    assert outcome(world) == expected
    assert len(world.mails()) == (expected[0] == "delivered")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, {"error": {"code": "user_not_found", "message": "m"}}), ("dead", "user_not_found")),
        ((404, {"error": {"code": "not_found", "message": "m"}}), ("pending", "user_service_unavailable")),
        ((404, "nothing here"), ("pending", "user_service_unavailable")),
        ((400, {}), ("pending", "user_service_unavailable")),
        ((429, {}), ("pending", "user_service_unavailable")),
        ((500, {}), ("pending", "user_service_unavailable")),
        ((200, {}), ("pending", "user_service_malformed")),
        ((200, []), ("pending", "user_service_malformed")),
        (b"HTTP/1.1 200 X\r\ncontent-length: 3\r\n\r\n{\"\xff", ("pending", "user_service_malformed")),
        (b"nonsense\r\n\r\n", ("pending", "user_service_unavailable")),
        ("drop", ("pending", "user_service_unavailable")),
        ("hang", ("pending", "user_service_unavailable")),
    ],
)  # fmt: skip
def test_what_the_user_service_answers_decides(world: World, answer: Any, expected: tuple[str, str]) -> None:
    world.users.add("u-1")
    world.users.give("u-1", answer)
    send(world, fields(INVITE))
    assert outcome(world) == expected


def test_another_users_document_is_not_used(world: World) -> None:
    world.users.add("u-2")
    other = {
        "user_id": "u-2",
        "email": "b@c.test",
        "preferred_language": "",
        "time_zone": "",
        "status": "active",
    }
    world.users.give("u-1", (200, other))
    send(world, fields(INVITE))
    assert outcome(world) == ("pending", "user_service_malformed")


def test_a_user_whose_id_is_not_plain_is_asked_for_by_his_id(world: World) -> None:
    world.users.add("u/1?x=%41#")
    send(world, fields(INVITE, recipient_user_ids=["u/1?x=%41#"]))
    assert outcome(world) == ("delivered", "")


def test_a_user_is_asked_for_once_in_a_batch_and_again_at_each_attempt(world: World) -> None:
    world.users.add("u-1")
    instance = world.instance()
    world.run(instance.take(*(fields(INVITE, idempotency_key=f"k-{n}") for n in range(5))))
    world.run(instance.attempt(instance.mails))
    assert len(world.users.calls) == 1
    assert len(world.mails()) == 5
    world.run(instance.take(fields(INVITE, idempotency_key="later")))
    world.run(instance.attempt(instance.mails))
    assert len(world.users.calls) == 2


def test_a_template_that_cannot_be_rendered_is_a_dead_letter_at_once(world: World) -> None:
    world.users.add("u-1")
    instance = world.instance()
    # As after an update that renamed a field while intents of before were waiting.
    instance.templates.by_locale["en"][INVITE] = Template("t", "Subject: s\n\n{renamed}", ["renamed"])
    world.run(instance.take(fields(INVITE)))
    world.run(instance.attempt(instance.mails))
    assert outcome(world) == ("dead", "template_failed")


def test_no_address_is_in_the_database(world: World) -> None:
    world.users.add("u-1", email="ada.secret@example.test")
    world.users.add("u-2", email="ada.secret@example.test\n")
    instance = world.instance()
    batch = [
        fields(INVITE, recipient_user_ids=["u-1", "u-2"]),
        fields("runtime.image_pull_failed", idempotency_key="k"),
    ]
    world.run(instance.take(*batch))
    world.run(instance.attempt(instance.mails))
    assert len(world.mails()) == 3
    everything = ""
    for table in ("intents", "intent_conflicts", "routes", "dead_letters", "user_states"):
        everything += str([tuple(row.values()) for row in world.rows(f"SELECT * FROM {table}")])  # noqa: S608 - its own list
    assert "a***@e***.test" in everything
    for address in ("ada.secret", *ADMINS):
        assert address not in everything
