"""lobby over HTTP, every answer held to the published contract."""

import json
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
from servicekit.client import HttpClient, Reply
from servicekit.http import Router
from servicekit.testing.contract import Contract
from servicekit.testing.serving import serving

from lobby import commands
from lobby.calls import Rules
from lobby.handlers import Handlers
from lobby.openapi import PUBLISHED
from lobby.testing.world import World

CONTRACT = Contract(PUBLISHED.document(), jsonschema_rs.validator_for)
OWNER = "olga"
HOUR_MS = 3_600_000
INVITE_TTL_MS = 2 * HOUR_MS
IMAGE = "registry.test/engine:1.2.3"


@dataclass(frozen=True)
class Answer:
    """A status and a document."""

    status: int
    document: Any

    @property
    def code(self) -> str | None:
        """The error's code; None for a success."""
        return self.document["error"]["code"] if self.status >= 400 else None


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Api:
    """A client of lobby, in the words of its users."""

    def __init__(self, world: World) -> None:
        self.world = world
        handlers = Handlers(world.database, Rules(invite_ttl_ms=INVITE_TTL_MS))
        router = Router(handlers.routes(), listener="http", metrics=world.metrics)
        url = world.enter(serving(router))
        self._client = world.enter(HttpClient(url, timeout=20, max_connections=30))

    async def request(
        self, method: str, path: str, user: str | None = OWNER, document: object = None, **headers: str
    ) -> Answer:
        """One request of a user."""
        body = b"" if document is None else document if isinstance(document, bytes) else _json(document)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if document is not None:
            named.setdefault("content-type", "application/json")
        if user is not None:
            named["x-user-id"] = user
        reply = await self._client.request(method, path, headers=named, body=body)
        return check(method, path, reply)

    def call(
        self, method: str, path: str, user: str | None = OWNER, document: object = None, **headers: str
    ) -> Answer:
        """As request, and waits for the answer."""
        return self.world.run(self.request(method, path, user, document, **headers))

    def command(self, message_type: str, user: str | None, document: object, **headers: str) -> Answer:
        """One command, as the gateway sends it."""
        return self.call(
            "POST",
            commands.PATH + message_type,
            user,
            document,
            content_type=commands.MEDIA_TYPE,
            **headers,
        )

    def do(self, game_id: str, action: str, user: str | None = OWNER) -> Answer:
        """A transition, such as open-enrollment."""
        return self.call("POST", f"/api/v1/games/{game_id}/{action}", user)

    def doing(self, game_id: str, action: str, user: str | None = OWNER) -> Coroutine[Any, Any, Answer]:
        """As do, to be awaited."""
        return self.request("POST", f"/api/v1/games/{game_id}/{action}", user)

    def internal(self, game_id: str, action: str = "") -> Answer:
        """An internal operation; without an action the game is read."""
        path = f"/api/v1/internal/games/{game_id}"
        return self.call("POST" if action else "GET", f"{path}/{action}" if action else path, None)

    def create(self, **changes: Any) -> str:
        """A new draft; its id."""
        answer = self.call("POST", "/api/v1/games", changes.pop("owner", OWNER), draft(**changes))
        found: str = self.done(answer)["game_id"]
        return found

    def open(self, **changes: Any) -> str:
        """A new game whose enrolment is open; its id."""
        game_id = self.create(**changes)
        self.done(self.do(game_id, "open-enrollment", changes.get("owner", OWNER)))
        return game_id

    def game(self, game_id: str, user: str = OWNER) -> dict[str, Any]:
        """A game as a user sees it."""
        return self.done(self.call("GET", f"/api/v1/games/{game_id}", user))

    def status(self, game_id: str) -> str:
        """A game's state."""
        found: str = self.game(game_id)["status"]
        return found

    def apply(self, game_id: str, user: str, race: str | None = None) -> Answer:
        """An application; the race has the applicant's name if nothing else is said."""
        return self.world.run(self.applying(game_id, user, race))

    def applying(self, game_id: str, user: str, race: str | None = None) -> Coroutine[Any, Any, Answer]:
        """As apply, to be awaited."""
        document = {"race_name": user.title() if race is None else race}
        return self.request("POST", f"/api/v1/games/{game_id}/applications", user, document)

    def decide(self, game_id: str, application_id: str, what: str, user: str = OWNER) -> Answer:
        """Approves, rejects or withdraws an application."""
        return self.do(game_id, f"applications/{application_id}/{what}", user)

    def invite(self, game_id: str, invitee: str, user: str = OWNER) -> Answer:
        """An invite."""
        return self.call("POST", f"/api/v1/games/{game_id}/invites", user, {"invitee_user_id": invitee})

    def accept(self, game_id: str, invite_id: str, user: str, race: str | None = None) -> Answer:
        """Accepts an invite."""
        document = {"race_name": user.title() if race is None else race}
        return self.call("POST", f"/api/v1/games/{game_id}/invites/{invite_id}/accept", user, document)

    def enrol(self, game_id: str, *users: str) -> None:
        """Makes users members of a public game."""
        for user in users:
            application = self.done(self.apply(game_id, user))
            self.done(self.decide(game_id, application["application_id"], "approve"))

    def ready(self, *users: str, **changes: Any) -> str:
        """A game that is ready to start, with these members (ada and bob if nobody is named)."""
        game_id = self.open(**changes)
        self.enrol(game_id, *(users or ("ada", "bob")))
        if self.status(game_id) == "enrollment_open":
            self.done(self.do(game_id, "close-enrollment"))
        return game_id

    def starting(self, *users: str, **changes: Any) -> str:
        """A game that is starting."""
        game_id = self.ready(*users, **changes)
        self.done(self.do(game_id, "start"))
        return game_id

    def running(self, *users: str, **changes: Any) -> str:
        """A game that runs."""
        game_id = self.starting(*users, **changes)
        self.world.take(self.world.result(game_id))
        expect(self.status(game_id) == "running", game_id)
        return game_id

    def done(self, answer: Answer) -> dict[str, Any]:
        """The document of a success."""
        expect(answer.status in {200, 201}, answer)
        found: dict[str, Any] = answer.document
        return found


def expect(condition: bool, seen: object) -> None:
    """Fails the test with what was seen."""
    if not condition:
        raise AssertionError(f"not as expected: {seen}")


def draft(**changes: Any) -> dict[str, Any]:
    """The document of a new game."""
    return {
        "name": "Friday night",
        "visibility": "public",
        "min_players": 2,
        "max_players": 4,
        "enrollment_ends_at_ms": now_ms() + HOUR_MS,
        "image_ref": IMAGE,
        **changes,
    }


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def check(method: str, path: str, reply: Reply) -> Answer:
    """Holds an answer to the contract: its status, its code, its document."""
    document: Any = json.loads(reply.body) if reply.body else None
    CONTRACT.check(method, path, reply.status, document)
    return Answer(reply.status, document)
