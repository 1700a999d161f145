"""The real process: its boot, its logs over a whole life, its drain."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from servicekit.client import HttpClient, Reply
from servicekit.testing.processes import Process, Processes
from servicekit.testing.valkey import embedded_valkey

from authsession.conftest import PEPPER, World, key

SEND = "/api/v1/public/auth/send-email-code"
ADDRESS = "ada.secret@example.test"
ACCEPTED = (202, {"delivery_id": "d1"})


class Running:
    """A process of authsession that is ready."""

    def __init__(self, world: World, process: Process) -> None:
        self.world = world
        self.process = process
        self.client = world.enter(HttpClient(process.url("http")))

    def call(self, method: str, path: str, document: object = None) -> Reply:
        body = b"" if document is None else json.dumps(document).encode()
        headers = {} if document is None else {"content-type": "application/json"}
        return self.world.run(self.client.request(method, path, headers=headers, body=body))

    def readiness(self) -> Reply:
        admin = self.world.enter(HttpClient(self.process.url("admin")))
        return self.world.run(admin.request("GET", "/readyz"))


class Starter:
    """Starts processes."""

    def __init__(self, world: World, processes: Processes) -> None:
        self._world = world
        self.processes = processes

    def start(self, **more: str) -> Running:
        return Running(self._world, self.processes.start(**more))


@pytest.fixture
def starter(world: World, tmp_path: Path) -> Iterator[Starter]:
    variables = {
        "AUTHSESSION_REDIS_URL": world.url,
        "AUTHSESSION_CODE_PEPPER": base64.b64encode(PEPPER).decode(),
        "AUTHSESSION_USER_ADAPTER": "stub",
        "AUTHSESSION_MAIL_ADAPTER": "stub",
        "AUTHSESSION_MAIL_STUB_FILE": str(tmp_path / "mails"),
    }
    with Processes("authsession", tmp_path, variables) as processes:
        yield Starter(world, processes)


def test_a_life_from_boot_to_stop_with_nothing_secret_in_the_log(starter: Starter, world: World) -> None:
    peer, url = world.peer(ACCEPTED)
    running = starter.start(
        AUTHSESSION_LOG_LEVEL="DEBUG", AUTHSESSION_MAIL_ADAPTER="rest", AUTHSESSION_MAIL_URL=url
    )
    challenge_id = json.loads(running.call("POST", SEND, {"email": ADDRESS}).body)["challenge_id"]
    world.run(peer.called(1))
    assert peer.calls[0].headers["idempotency-key"] == challenge_id
    code = peer.calls[0].body["code"]
    confirm = {
        "challenge_id": challenge_id,
        "code": code,
        "client_public_key": key("ada"),
        "time_zone": "UTC",
    }
    path = "/api/v1/public/auth/confirm-email-code"
    assert running.call("POST", path, confirm | {"code": "not it"}).status == 400
    reply = running.call("POST", path, confirm)
    assert reply.status == 200
    session = json.loads(reply.body)["device_session_id"]
    why = {"reason_code": "abuse", "actor": "admin:1"}
    assert running.call("POST", f"/api/v1/internal/sessions/{session}/revoke", why).status == 200
    assert running.call("POST", "/api/v1/internal/user-blocks", {"email": ADDRESS, **why}).status == 200
    assert json.loads(running.readiness().body) == {
        "status": "ready",
        "dependencies": {"redis": {"status": "ok"}},
    }
    assert running.process.stop() == 0
    text = running.process.log.read_text()
    events = [record["event"] for record in running.process.records()]
    assert {
        "service_ready",
        "session_created",
        "session_revoked",
        "address_blocked",
        "service_stopped",
    } <= set(events)
    assert [record for record in running.process.records() if record["level"] in {"WARNING", "ERROR"}] == []
    for secret in ("ada.secret", "not it", key("ada"), base64.b64encode(PEPPER).decode()):
        assert secret not in text
    assert re.search(rf"\b{code}\b", text) is None


def test_without_redis_it_boots_says_so_once_and_recovers_by_itself(starter: Starter) -> None:
    with embedded_valkey() as server:
        server.kill()
        running = starter.start(AUTHSESSION_REDIS_URL=server.unix_url)
        for _ in range(3):
            assert running.call("POST", SEND, {"email": ADDRESS}).status == 503
            assert running.readiness().status == 503
        state = json.loads(running.readiness().body)
        assert state["dependencies"]["redis"]["status"] == "unavailable"
        server.start()
        assert running.call("POST", SEND, {"email": ADDRESS}).status == 200
        assert running.readiness().status == 200
        server.kill()
        assert running.call("GET", "/api/v1/internal/sessions/s_1").status == 503
        assert running.process.stop() == 0
    told = [(r["level"], r["event"]) for r in running.process.records() if r.get("dependency") == "redis"]
    gone, back = ("WARNING", "dependency_unavailable"), ("INFO", "dependency_available")
    assert told == [gone, back, gone]


def test_the_stubs_are_enough_to_sign_in(starter: Starter, tmp_path: Path) -> None:
    running = starter.start()
    challenge_id = json.loads(running.call("POST", SEND, {"email": ADDRESS}).body)["challenge_id"]
    assert running.process.stop() == 0  # the drain has delivered the mail
    code = json.loads((tmp_path / "mails").read_text())["code"]
    confirm = {
        "challenge_id": challenge_id,
        "code": code,
        "client_public_key": key("ada"),
        "time_zone": "UTC",
    }
    assert starter.start().call("POST", "/api/v1/public/auth/confirm-email-code", confirm).status == 200


def test_a_failing_mail_service_is_told_once_and_the_drain_still_delivers(
    starter: Starter, world: World
) -> None:
    peer, url = world.peer((500, {}), (500, {}), (500, {}), ACCEPTED)
    running = starter.start(
        AUTHSESSION_MAIL_ADAPTER="rest", AUTHSESSION_MAIL_URL=url, AUTHSESSION_MAIL_FIRST_PAUSE_MS="600000",
        AUTHSESSION_MAIL_LONGEST_PAUSE_MS="600000",
    )  # fmt: skip
    for n in range(3):
        assert running.call("POST", SEND, {"email": f"ada{n}@example.test"}).status == 200
    world.run(peer.called(3))
    running.process.terminate()
    world.run(peer.called(6))
    assert running.process.wait() == 0
    told = [(r["level"], r["event"]) for r in running.process.records() if r.get("dependency") == "mail"]
    assert told == [("WARNING", "dependency_unavailable"), ("INFO", "dependency_available")]


def test_the_drain_ends_in_its_budget_when_the_mail_service_hangs(starter: Starter, world: World) -> None:
    peer, url = world.peer("hang")
    running = starter.start(
        AUTHSESSION_MAIL_ADAPTER="rest", AUTHSESSION_MAIL_URL=url, AUTHSESSION_STOP_TIMEOUT_MS="400"
    )
    running.call("POST", SEND, {"email": ADDRESS})
    world.run(peer.called(1))
    assert running.process.stop() == 0
    (abandoned,) = [
        record for record in running.process.records() if record["event"] == "mail_deliveries_abandoned"
    ]
    assert (abandoned["level"], abandoned["count"]) == ("WARNING", 1)


def test_two_instances_share_everything(starter: Starter, world: World) -> None:
    peer, url = world.peer(ACCEPTED)
    rest = {"AUTHSESSION_MAIL_ADAPTER": "rest", "AUTHSESSION_MAIL_URL": url}
    one, other = starter.start(**rest), starter.start(**rest)
    challenge_id = json.loads(one.call("POST", SEND, {"email": ADDRESS}).body)["challenge_id"]
    assert json.loads(other.call("POST", SEND, {"email": ADDRESS}).body)["challenge_id"] == challenge_id
    world.run(peer.called(1))
    code = peer.calls[0].body["code"]
    confirm = {
        "challenge_id": challenge_id,
        "code": code,
        "client_public_key": key("ada"),
        "time_zone": "UTC",
    }
    replies = [
        running.call("POST", "/api/v1/public/auth/confirm-email-code", confirm) for running in (one, other)
    ]
    assert replies[0].status == 200
    assert replies[0].body == replies[1].body


def test_a_boot_imports_nothing_that_it_does_not_need(starter: Starter) -> None:
    loaded = starter.processes.modules("authsession.service")
    assert "authsession.handlers" in loaded
    assert not loaded & {
        "cryptography",
        "zoneinfo",
        "yaml",
        "importlib.metadata",
        "starlette",
        "redis",
        "httpx",
    }
