import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
from servicekit.http import Router
from servicekit.testing.contract import Contract

from notification import push
from notification.catalogue import Channel
from notification.dead_letters import DeadLetters
from notification.handlers import Handlers
from notification.openapi import PUBLISHED
from notification.testing.samples import fields
from notification.testing.world import World

CONTRACT = Contract(PUBLISHED.document(), jsonschema_rs.validator_for)
DEAD_LETTERS = "/api/v1/internal/dead-letters"
GAME = "lobby.game_started"
WHY = {"reason_code": "mended", "actor": "admin:17"}


class Api:
    """The operations, as a caller sees them; every answer is held to the published contract."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.woken: list[Channel] = []
        handlers = Handlers(world.database, DeadLetters(world.database), self.woken.append)
        self._router = Router(handlers.routes(), listener="http", metrics=world.metrics)

    def call(self, method: str, target: str, document: object = None) -> tuple[int, Any]:
        body = b"" if document is None else json.dumps(document).encode()
        path, _, query = target.partition("?")
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": headers if body else [], "client": ("127.0.0.1", 1),
        }  # fmt: skip
        sent: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        self.world.run(self._router(scope, receive, send))
        status, answer = sent[0]["status"], json.loads(sent[1]["body"])
        CONTRACT.check(method, target, status, answer)
        return status, answer


@pytest.fixture
def api(world: World) -> Api:
    return Api(world)


def die(world: World, *entries: dict[str, bytes]) -> None:
    """Have each push of these intents given up."""
    instance = world.instance(max_attempts=1)
    world.command("DEL", push.STREAM)
    world.command("SET", push.STREAM, "no stream")
    world.run(instance.take(*entries))
    world.command("DEL", push.STREAM)


def test_an_intent_with_each_of_its_routes(world: World, api: Api) -> None:
    world.users.add("u-1", email="ada@example.test", preferred_language="fr")
    instance = world.instance()
    key = "lobby/invite:1?x"
    world.run(instance.take(fields(idempotency_key=key), fields(idempotency_key=key, occurred_at_ms="5")))
    world.users.give("u-1", (503, {}))
    world.run(instance.attempt(instance.mails))
    target = f"/api/v1/internal/intents/{quote(key, safe='')}"
    status, answer = api.call("GET", target)
    assert status == 200
    pushed, mailed = answer["routes"]
    assert (pushed["channel"], pushed["state"], pushed["attempts"]) == ("push", "delivered", 1)
    assert pushed["delivery_id"] == world.pushes()[0]["event_id"]
    assert "next_attempt_at_ms" not in pushed
    assert (mailed["state"], mailed["error_code"], mailed["attempts"]) == (
        "pending",
        "user_service_unavailable",
        1,
    )
    assert mailed["next_attempt_at_ms"] > 0
    (conflict,) = answer["conflicts"]
    assert (conflict["entry_id"], conflict["occurred_at_ms"]) == ("2-0", 5)
    world.run(instance.attempt(instance.mails))
    mailed = api.call("GET", target)[1]["routes"][1]
    assert (mailed["state"], mailed["recipient_email"], mailed["locale"]) == (
        "delivered",
        "a***@e***.test",
        "fr",
    )
    assert "error_code" not in mailed


@pytest.mark.parametrize("key", ["unknown", "%00", "k" * 300])
def test_an_unknown_intent_is_not_found(api: Api, key: str) -> None:
    assert api.call("GET", f"/api/v1/internal/intents/{key}")[0] == 404


def test_dead_letters_are_listed_the_last_first_page_by_page(world: World, api: Api) -> None:
    die(world, *(fields(GAME, idempotency_key=f"k-{n}") for n in range(5)))
    keys, target = [], f"{DEAD_LETTERS}?page_size=2"
    page: dict[str, Any] = {}
    for _ in range(3):
        status, page = api.call("GET", target)
        assert status == 200
        keys += [letter["idempotency_key"] for letter in page["dead_letters"]]
        target = f"{DEAD_LETTERS}?page_size=2&cursor={page.get('next_cursor')}"
    assert keys == ["k-4", "k-3", "k-2", "k-1", "k-0"]
    assert "next_cursor" not in page


def test_dead_letters_are_filtered(world: World, api: Api) -> None:
    die(world, fields(GAME, idempotency_key="k-1"), fields("lobby.game_paused", idempotency_key="k-2"))
    world.run(
        world.database.execute("UPDATE dead_letters SET died_at_ms = 1000 WHERE notification_type = $1", GAME)
    )

    def listed(query: str) -> list[str]:
        status, page = api.call("GET", f"{DEAD_LETTERS}?{query}")
        assert status == 200
        return [letter["idempotency_key"] for letter in page["dead_letters"]]

    assert listed("channel=push") == ["k-2", "k-1"]
    assert listed("channel=email") == []
    assert listed(f"notification_type={GAME}") == ["k-1"]
    assert listed("until_ms=1001") == ["k-1"]
    assert listed("until_ms=1000") == []
    assert listed("from_ms=1000") == ["k-2", "k-1"]
    assert listed("from_ms=1001") == ["k-2"]
    (letter,) = api.call("GET", f"{DEAD_LETTERS}?notification_type={GAME}")[1]["dead_letters"]
    api.call("POST", f"{DEAD_LETTERS}/{letter['dead_letter_id']}/discard", WHY)
    assert listed("status=open") == listed("page_size=20") == ["k-2"]
    assert listed("status=discarded") == ["k-1"]
    assert listed("status=replayed") == []
    assert listed("status=any") == ["k-2", "k-1"]


def test_a_query_of_another_form_is_refused(api: Api) -> None:
    wrong = (
        "page_size=0", "page_size=101", "cursor=x", "cursor=d", "cursor=d-1", "cursor=d9999999999999999999", "status=dead",
        "channel=sms", "from_ms=-1", "from_ms=99999999999999999", "until_ms=now", "more=1", "notification_type=%00",
    )  # fmt: skip
    for query in wrong:
        assert api.call("GET", f"{DEAD_LETTERS}?{query}")[0] == 400, query


def only_letter(api: Api, status: str = "open") -> dict[str, Any]:
    (letter,) = api.call("GET", f"{DEAD_LETTERS}?status={status}")[1]["dead_letters"]
    assert isinstance(letter, dict)
    return letter


def test_a_replay_delivers_under_the_same_id_and_is_audited(world: World, api: Api) -> None:
    die(world, fields(GAME))
    letter = only_letter(api)
    assert (letter["status"], letter["attempts"], letter["error_code"]) == ("open", 1, "publish_refused")
    target = f"{DEAD_LETTERS}/{letter['dead_letter_id']}"
    assert api.call("GET", target) == (200, letter)
    status, replayed = api.call("POST", f"{target}/replay", WHY)
    assert (status, replayed["outcome"], replayed["dead_letter"]["status"]) == (200, "replayed", "replayed")
    assert api.woken == ["push"]
    instance = world.instance()
    world.run(instance.attempt(instance.pushes))
    assert [event["event_id"] for event in world.pushes()] == [letter["delivery_id"]]
    again = api.call("POST", f"{target}/replay", {"reason_code": "again", "actor": "admin:18"})[1]
    assert again == replayed | {"outcome": "already_replayed"}
    assert (again["dead_letter"]["resolved_by"], again["dead_letter"]["resolution_reason"]) == (
        "admin:17",
        "mended",
    )
    assert world.run(instance.attempt(instance.pushes)) == 0
    assert world.states() == [("push", "u-1", "delivered", "")]
    assert api.call("POST", f"{target}/discard", WHY)[0] == 409


def test_what_was_published_all_the_same_is_not_doubled_by_a_replay(world: World, api: Api) -> None:
    instance = world.instance()
    world.run(instance.take(fields(GAME)))
    # The answer was lost, and so was every later one: the route died although its entry is there.
    world.run(world.database.execute("UPDATE routes SET state = 'dead', finished_at_ms = NULL"))
    world.run(
        world.database.execute(
            "INSERT INTO dead_letters (dead_letter_id, route, channel, notification_type, attempts, error_code, "
            "error_message) SELECT 'd_1', id, 'push', $1, 3, 'publish_refused', '' FROM routes",
            GAME,
        )
    )
    assert api.call("POST", f"{DEAD_LETTERS}/d_1/replay", WHY)[0] == 200
    world.run(instance.attempt(instance.pushes))
    assert world.states() == [("push", "u-1", "delivered", "")]
    assert len(world.pushes()) == 1


def test_a_route_that_dies_again_has_a_new_dead_letter_and_a_new_budget(world: World, api: Api) -> None:
    world.users.give("u-1", *[(503, {})] * 4)
    instance = world.instance(max_attempts=2)
    world.run(instance.take(fields()))
    ids = []
    for _ in range(2):
        assert world.run(instance.attempt(instance.mails)) == 1
        assert world.run(instance.attempt(instance.mails)) == 1
        letter = only_letter(api)
        assert letter["attempts"] == 2
        ids.append(letter["dead_letter_id"])
        api.call("POST", f"{DEAD_LETTERS}/{ids[-1]}/replay", WHY)
    assert ids[0] != ids[1]
    assert api.woken == ["email", "email"]


def test_a_discarded_one_is_closed_and_stays_closed(world: World, api: Api) -> None:
    die(world, fields(GAME))
    target = f"{DEAD_LETTERS}/{only_letter(api)['dead_letter_id']}"
    status, discarded = api.call("POST", f"{target}/discard", WHY)
    assert (status, discarded["outcome"]) == (200, "discarded")
    assert api.call("POST", f"{target}/discard", WHY)[1] == discarded | {"outcome": "already_discarded"}
    assert api.call("POST", f"{target}/replay", WHY)[0] == 409
    assert world.states() == [("push", "u-1", "discarded", "publish_refused")]
    instance = world.instance()
    assert world.run(instance.attempt(instance.pushes)) == 0


def test_replays_at_the_same_time_are_one_replay(world: World, api: Api) -> None:
    from notification.dead_letters import Resolution

    die(world, fields(GAME))
    letters = DeadLetters(world.database)
    dead_letter_id = only_letter(api)["dead_letter_id"]
    outcomes = world.together(
        *(letters.resolve(dead_letter_id, Resolution("replayed", f"admin:{n}", "mended")) for n in range(8))
    )
    assert [new for new, _ in outcomes].count(True) == 1
    assert len({letter.resolved_by for _, letter in outcomes}) == 1


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_an_unknown_dead_letter_is_not_found(api: Api, action: str) -> None:
    for dead_letter_id in ("d_unknown", "%00"):
        assert api.call("GET", f"{DEAD_LETTERS}/{dead_letter_id}")[0] == 404
        assert api.call("POST", f"{DEAD_LETTERS}/{dead_letter_id}/{action}", WHY)[0] == 404


def test_a_resolution_says_who_and_why(api: Api) -> None:
    wrong = ({"actor": ""}, {"actor": "a b"}, {"reason_code": "No"}, {"reason_code": "a-b"}, {"more": 1})
    for document in ({}, {"actor": "a"}, *(WHY | change for change in wrong)):
        assert api.call("POST", f"{DEAD_LETTERS}/d_1/replay", document)[0] == 400, document


def test_without_the_database_every_operation_is_503(world: World, api: Api) -> None:
    world.run(world.database.close())
    for method, path in (
        ("GET", "/api/v1/internal/intents/k"),
        ("GET", DEAD_LETTERS),
        ("GET", f"{DEAD_LETTERS}/d_1"),
        ("POST", f"{DEAD_LETTERS}/d_1/replay"),
        ("POST", f"{DEAD_LETTERS}/d_1/discard"),
    ):
        assert api.call(method, path, WHY if method == "POST" else None)[0] == 503
