import json
from pathlib import Path

import pytest
from servicekit.client import HttpClient
from servicekit.testing.peer import Answer

from authsession.conftest import World
from authsession.mail import LoginCode, MailError, RestMail, StubMail

MAIL = LoginCode("ada@example.test", "012345", "de", "c_1")


def test_a_mail_does_not_show_its_secrets() -> None:
    assert "012345" not in repr(MAIL)
    assert "ada" not in repr(MAIL)


def test_the_stub_appends_to_a_file_that_only_its_owner_reads(world: World, tmp_path: Path) -> None:
    path = tmp_path / "mails"
    path.touch(0o644)
    stub = StubMail(path)
    world.run(stub.send(MAIL))
    world.run(stub.send(LoginCode("bob@example.test", "000000", "en", "c_2")))
    assert path.stat().st_mode & 0o777 == 0o600
    first, second = map(json.loads, path.read_text().splitlines())
    assert first.pop("at_ms") > 0
    assert first == {"email": "ada@example.test", "code": "012345", "locale": "de", "idempotency_key": "c_1"}
    assert second["email"] == "bob@example.test"


def test_the_stub_makes_its_file_and_follows_no_link(world: World, tmp_path: Path) -> None:
    world.run(StubMail(tmp_path / "new").send(MAIL))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MailError, match="mail stub") as failure:
        world.run(StubMail(tmp_path / "link").send(MAIL))
    assert failure.value.retryable
    assert not (tmp_path / "elsewhere").exists()


def rest(world: World, url: str, timeout: float = 5.0) -> RestMail:
    return RestMail(world.enter(HttpClient(url, timeout=timeout)))


def test_the_service_is_asked_by_its_contract(world: World) -> None:
    peer, url = world.peer((202, {"delivery_id": "d1", "queue": "later versions may say more"}))
    world.run(rest(world, url).send(MAIL))
    (call,) = peer.calls
    assert (call.method, call.path) == ("POST", "/api/v1/internal/login-code-deliveries")
    assert call.headers["idempotency-key"] == "c_1"
    assert call.headers["content-type"] == "application/json"
    assert call.body == {"email": "ada@example.test", "code": "012345", "locale": "de"}


@pytest.mark.parametrize(
    ("reply", "retryable"),
    [
        ((500, {}), True),
        ((503, {}), True),
        ((408, {}), True),
        ((425, {}), True),
        ((429, {}), True),
        ((200, {"delivery_id": "d1"}), True),
        ((202, {}), True),
        ((202, {"delivery_id": ""}), True),
        ((202, {"delivery_id": 1}), True),
        ((202, ["ada@example.test", "012345"]), True),
        (b"HTTP/1.1 202 Accepted\r\ncontent-length: 1\r\n\r\n{", True),
        (b"nonsense\r\n\r\n", True),
        ("drop", True),
        ("hang", True),
        ((400, {}), False),
        ((409, {}), False),
        ((422, {}), False),
        ((302, {}), False),
    ],
)
def test_any_other_answer_is_a_failure(world: World, reply: Answer, *, retryable: bool) -> None:
    _, url = world.peer(reply)
    with pytest.raises(MailError) as failure:
        world.run(rest(world, url, timeout=0.3).send(MAIL))
    assert failure.value.retryable is retryable
    assert "ada" not in str(failure.value)
    assert "012345" not in str(failure.value)
