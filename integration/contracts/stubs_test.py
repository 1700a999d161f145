"""The stand-ins refuse what the published contracts do not allow: a stub that accepts anything proves nothing."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from contracts.gateway.commands import CommandService
from contracts.http import Answer, Request, exchange
from contracts.mail.service import MailService
from contracts.user.service import UserService
from seatrial.network.stub import HttpStub

MAIL = {"email": "ada@example.test", "code": "123456", "locale": "de"}
USER = {"email": "ada@example.test", "preferred_language": "de", "time_zone": "Europe/Berlin"}
COMMAND = {
    "X-User-Id": "u",
    "X-Device-Session-Id": "s",
    "X-Request-Id": "r",
    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
    "Content-Type": "application/octet-stream",
}


@pytest.fixture
def mail() -> Iterator[MailService]:
    with MailService() as stub:
        yield stub


@pytest.fixture
def users() -> Iterator[UserService]:
    with UserService() as stub:
        yield stub


@pytest.fixture
def commands() -> Iterator[CommandService]:
    with CommandService() as stub:
        yield stub


def post(stub: HttpStub, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    return exchange(stub.url(), Request("POST", path, headers=tuple(headers.items()), body=body))


def deliver(mail: MailService, document: object, key: str | None = "key") -> Answer:
    headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
    return post(mail, "/api/v1/internal/login-code-deliveries", json.dumps(document).encode(), headers)


def resolve(users: UserService, document: object) -> Answer:
    path = "/api/v1/internal/users/resolve-by-email"
    return post(users, path, json.dumps(document).encode(), {"Content-Type": "application/json"})


def test_a_mail_is_kept_once_for_a_key(mail: MailService) -> None:
    first, again, other = deliver(mail, MAIL), deliver(mail, MAIL), deliver(mail, MAIL, "other")
    assert first.expect(202).json() == again.expect(202).json() != other.expect(202).json()
    assert len(mail.mails("ada@example.test")) == 2
    assert mail.code_for("ada@example.test") == "123456"
    assert mail.problems() == ()


@pytest.mark.parametrize(
    ("document", "key"),
    [
        (MAIL, None),
        ({**MAIL, "code": "12345"}, "key"),
        ({**MAIL, "code": "abcdef"}, "key"),
        ({**MAIL, "subject": "hello"}, "key"),
        ({**MAIL, "locale": ""}, "key"),
        ({"email": "ada@example.test"}, "key"),
        ({**MAIL, "code": "654321"}, "used"),
    ],
)
def test_a_mail_out_of_contract_is_a_violation(mail: MailService, document: Any, key: str | None) -> None:
    deliver(mail, MAIL, "used").expect(202)
    deliver(mail, document, key).expect(400)
    assert len(mail.problems()) == 1
    assert len(mail.sent) == 1


def test_an_address_is_always_the_same_user(users: UserService) -> None:
    ada = resolve(users, USER).expect(200).json()
    users.block("ada@example.test")
    assert resolve(users, USER).expect(200).json() == {"user_id": ada["user_id"], "status": "blocked"}
    assert users.seen("ada@example.test") == ("de", "Europe/Berlin")
    assert (
        resolve(users, {**USER, "email": "bob@example.test"}).expect(200).json()["user_id"] != ada["user_id"]
    )


@pytest.mark.parametrize(
    "document",
    [{**USER, "email": "Ada@example.test"}, {**USER, "email": "ada@EXAMPLE.test"}, {**USER, "x": 1}, {}, []],
)
def test_a_question_out_of_contract_is_a_violation(users: UserService, document: object) -> None:
    resolve(users, document).expect(400)
    assert len(users.problems()) == 1


def test_a_command_is_executed_once(commands: CommandService) -> None:
    path = "/api/v1/internal/commands/user.echo"
    assert post(commands, path, b"payload", COMMAND).expect(200).body == b"payload"
    post(commands, path, b"payload", {**COMMAND, "X-Device-Session-Id": "other"}).expect(200)
    post(commands, path, b"payload", COMMAND).expect(400)
    [problem] = commands.problems()
    assert "came twice" in str(problem)


@pytest.mark.parametrize("header", COMMAND)
def test_a_command_without_a_promised_header_is_a_violation(commands: CommandService, header: str) -> None:
    headers = {name: value for name, value in COMMAND.items() if name != header}
    post(commands, "/api/v1/internal/commands/user.echo", b"", headers).expect(400)
    post(commands, "/api/v1/internal/commands/user.echo", b"", {**COMMAND, "traceparent": "00-0-0-0"}).expect(
        400
    )
    assert len(commands.problems()) == 2
    assert commands.executed == ()


def test_a_user_is_known_once_somebody_asked_for_his_address(users: UserService) -> None:
    user_id = users.speaks("ada@example.test", "de-AT")
    found = exchange(users.url(), Request("GET", f"/api/v1/internal/users/{user_id}")).expect(200).json()
    assert (found["email"], found["preferred_language"], found["status"]) == (
        "ada@example.test",
        "de-AT",
        "active",
    )
    users.block("ada@example.test")
    again = exchange(users.url(), Request("GET", f"/api/v1/internal/users/{user_id}")).expect(200).json()
    assert again["status"] == "blocked"
    exchange(users.url(), Request("GET", "/api/v1/internal/users/nobody")).expect_error(404, "user_not_found")


def test_a_lookup_that_the_contract_does_not_know_is_a_violation(users: UserService) -> None:
    exchange(users.url(), Request("GET", "/api/v1/internal/users/nobody", query=(("verbose", "1"),)))
    assert len(users.violations) == 1
