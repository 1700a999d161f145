"""authsession over HTTP, with the services that it needs."""

import json

import jsonschema_rs
from servicekit.client import HttpClient, Reply
from servicekit.http import Router
from servicekit.redis import Redis
from servicekit.testing.contract import Contract
from servicekit.testing.serving import serving

from authsession.blocks import Blocks
from authsession.conftest import MAX_EVENTS, RETENTION_MS, World, key
from authsession.delivery import Deliveries, Rules
from authsession.handlers import Handlers
from authsession.mail import RestMail
from authsession.openapi import PUBLISHED
from authsession.signin import SignIn
from authsession.users import RestUsers

SEND = "/api/v1/public/auth/send-email-code"
CONFIRM = "/api/v1/public/auth/confirm-email-code"
BLOCKS = "/api/v1/internal/user-blocks"
WHY = {"reason_code": "lost_device", "actor": "user:u1"}
ACTIVE = (200, {"user_id": "u1", "status": "active"})
ACCEPTED = (202, {"delivery_id": "d1"})
CONTRACT = Contract(PUBLISHED.document(), jsonschema_rs.validator_for)


class Api:
    """authsession over HTTP, its user and mail services, and every answer checked against the published contract."""

    def __init__(
        self, world: World, url: str | None = None, *, capacity: int = 100, timeout: float = 0.3
    ) -> None:
        self.world = world
        self.users, user_url = world.peer(ACTIVE)
        self.mail, mail_url = world.peer(ACCEPTED)
        redis = world.enter(Redis(url or world.url, timeout=0.3))
        redis.watch(world.dependency("redis"))
        rules = Rules(
            lifetime_s=60, first_pause_s=0.01, longest_pause_s=0.1, capacity=capacity, concurrency=4
        )
        client = world.enter(HttpClient(mail_url))
        self.deliveries = Deliveries(RestMail(client), rules, world.dependency("mail"), world.metrics)
        sessions = world.sessions(redis, max_per_user=3)
        handlers = Handlers(
            sign_in=SignIn(
                challenges=world.challenges(redis),
                sessions=sessions,
                users=RestUsers(world.enter(HttpClient(user_url, timeout=timeout)), world.dependency("user")),
                deliveries=self.deliveries,
            ),
            sessions=sessions,
            blocks=Blocks(redis, world.sealer, revoked_retention_ms=RETENTION_MS, max_events=MAX_EVENTS),
            locales=("en", "de"),
        )
        router = Router(handlers.routes(), listener="http", metrics=world.metrics)
        self._client = world.enter(HttpClient(world.enter(serving(router))))

    def call(self, method: str, path: str, document: object = None, **headers: str) -> Reply:
        """One request; its answer is checked against the contract."""
        body = b"" if document is None else json.dumps(document).encode()
        if document is not None:
            headers["content-type"] = "application/json"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.world.run(self._client.request(method, path, headers=named, body=body))
        CONTRACT.check(method, path, reply.status, json.loads(reply.body))
        return reply

    def send(self, address: str = "ada@example.test", **headers: str) -> str:
        """The id of a challenge that was asked for."""
        reply = self.call("POST", SEND, {"email": address}, **headers)
        assert reply.status == 200, reply.body
        return str(json.loads(reply.body)["challenge_id"])

    def challenge(self, address: str = "ada@example.test") -> tuple[str, str]:
        """A new challenge and its code, out of the mail."""
        asked = len(self.mail.calls)
        challenge_id = self.send(address)
        self.world.run(self.mail.called(asked + 1))
        return challenge_id, self.mail.calls[-1].body["code"]

    def confirm(self, challenge_id: str, code: str, **changes: str) -> Reply:
        """Confirm a challenge, with a right document but for the changes."""
        document = {
            "challenge_id": challenge_id,
            "code": code,
            "client_public_key": key("ada"),
            "time_zone": "Europe/Berlin",
        }
        return self.call("POST", CONFIRM, document | changes)

    def sign_in(self, name: str = "ada") -> str:
        """The id of a new session."""
        reply = self.confirm(*self.challenge(f"{name}@example.test"), client_public_key=key(name))
        assert reply.status == 200, reply.body
        return str(json.loads(reply.body)["device_session_id"])


def error(reply: Reply) -> tuple[int, str]:
    """Status and code of an error."""
    return reply.status, json.loads(reply.body)["error"]["code"]
