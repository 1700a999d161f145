import json
from collections.abc import Iterator

import pytest
from servicekit.testing.peer import Answer
from servicekit.testing.valkey import embedded_valkey

from authsession.conftest import World, key
from authsession.testing.api import ACTIVE, BLOCKS, CONFIRM, SEND, WHY, Api, error


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    api = Api(world)
    yield api
    world.run(api.deliveries.drain(5))


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def test_a_sign_in_from_the_address_to_the_session(api: Api) -> None:
    device_session_id = api.sign_in()
    session = json.loads(api.call("GET", f"/api/v1/internal/sessions/{device_session_id}").body)
    assert session["user_id"] == "u1"
    assert session["status"] == "active"
    assert session["client_public_key"] == key("ada")
    assert session["time_zone"] == "Europe/Berlin"
    assert api.users.calls[0].body == {
        "email": "ada@example.test",
        "preferred_language": "en",
        "time_zone": "Europe/Berlin",
    }


@pytest.mark.parametrize(
    ("header", "locale"),
    [("de-AT, en;q=0.5", "de"), ("fr", "en"), ("en;q=0.1, de;q=0.2", "de"), (None, "en")],
)
def test_the_mail_is_in_the_language_asked_for(api: Api, header: str | None, locale: str) -> None:
    api.send(**({"accept_language": header} if header else {}))
    api.world.run(api.mail.called(1))
    assert api.mail.calls[0].body["locale"] == locale


def test_the_user_service_learns_the_language_of_the_mail(api: Api) -> None:
    challenge_id = api.send(accept_language="de")
    api.world.run(api.mail.called(1))
    api.confirm(challenge_id, api.mail.calls[0].body["code"])
    assert api.users.calls[0].body["preferred_language"] == "de"


def test_two_ways_to_write_an_address_are_throttled_as_one_and_mailed_in_one_form(api: Api) -> None:
    assert api.send("Ada@EXAMPLE.test") == api.send("ada@example.test")
    api.world.run(api.mail.called(1))
    api.world.run(api.deliveries.drain(5))
    assert [call.body["email"] for call in api.mail.calls] == ["ada@example.test"]


def test_known_unknown_blocked_and_throttled_addresses_look_alike(api: Api) -> None:
    api.sign_in()
    api.call("POST", BLOCKS, {"email": "mallory@example.test", **WHY})
    replies = [
        api.call("POST", SEND, {"email": address})
        for address in (
            "ada@example.test",
            "bob@example.test",
            "mallory@example.test",
            "mallory@example.test",
        )
    ]
    assert {reply.status for reply in replies} == {200}
    assert {tuple(json.loads(reply.body)) for reply in replies} == {("challenge_id",)}
    assert len({len(reply.body) for reply in replies}) == 1
    names = [sorted(name for name, _ in reply.headers) for reply in replies]
    assert names.count(names[0]) == 4
    api.world.run(api.deliveries.drain(5))
    assert [call.body["email"] for call in api.mail.calls] == ["ada@example.test", "bob@example.test"]


def test_a_slow_or_failing_mail_service_does_not_show(api: Api) -> None:
    api.mail.replies = ["hang"]
    assert api.send()
    api.mail.replies = [(500, {})]
    assert api.send("bob@example.test")
    api.world.run(api.deliveries.drain(0))


def test_a_full_mail_queue_refuses_every_address_alike(world: World) -> None:
    api = Api(world, capacity=1)
    api.call("POST", BLOCKS, {"email": "mallory@example.test", **WHY})
    api.mail.replies = ["hang"]
    api.send()
    for address in ("ada@example.test", "bob@example.test", "mallory@example.test"):
        assert error(api.call("POST", SEND, {"email": address})) == (503, "service_unavailable")
    assert (
        world.command("EXISTS", f"authsession:throttle:{world.sealer.hash_address('bob@example.test')}") == 0
    )
    world.run(api.deliveries.drain(0))


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "a b@example.test", "ada@localhost", 1, None, ["ada@example.test"]]
)
def test_what_is_no_address_is_an_invalid_request(api: Api, email: object) -> None:
    for path, document in [(SEND, {"email": email}), (BLOCKS, {"email": email, **WHY})]:
        assert error(api.call("POST", path, document)) == (400, "invalid_request")


# Each fault with the document that has it and all later ones: an earlier one hides the later ones.
def test_the_checks_of_a_confirm_come_in_the_published_order(api: Api) -> None:
    challenge_id, code = api.challenge()
    name = f"authsession:challenge:{challenge_id}"
    faults = {
        "client_public_key": "AAAA",
        "time_zone": "Mars/Olympus",
        "challenge_id": "c_unknown",
        "code": wrong(code),
    }
    good = {"client_public_key": key("ada"), "time_zone": "UTC", "challenge_id": challenge_id, "code": code}

    def verdict(*fixed: str) -> str:
        document = {field: (good if field in fixed else faults)[field] for field in faults}
        return error(api.call("POST", CONFIRM, document))[1]

    assert error(api.call("POST", CONFIRM, {**faults, "more": 1}))[1] == "invalid_request"
    assert verdict() == "invalid_client_public_key"
    assert verdict("client_public_key") == "invalid_time_zone"
    assert verdict("client_public_key", "time_zone") == "challenge_not_found"
    known = ("client_public_key", "time_zone", "challenge_id")
    expires = api.world.hash(name)["expires_at_ms"]
    api.world.command("HSET", name, "expires_at_ms", 1, "tries", 5)
    api.call("POST", BLOCKS, {"email": "ada@example.test", **WHY})
    api.users.replies = [(500, {})]
    assert verdict(*known) == "challenge_expired"
    api.world.command("HSET", name, "expires_at_ms", expires)
    assert verdict(*known) == "too_many_attempts"
    api.world.command("HSET", name, "tries", 0)
    assert verdict(*known) == "invalid_code"
    assert verdict(*known, "code") == "blocked_by_policy"
    assert api.users.calls == []
    api.world.command("DEL", f"authsession:address-block:{api.world.sealer.hash_address('ada@example.test')}")
    api.world.command("HSET", "authsession:user-block:u1", "reason_code", "x")
    assert verdict(*known, "code") == "service_unavailable"
    api.world.command("ZADD", "authsession:user-active:u1", 1, "a", 2, "b", 3, "c")
    api.users.replies = [ACTIVE]
    assert verdict(*known, "code") == "blocked_by_policy"
    api.world.command("DEL", "authsession:user-block:u1")
    assert verdict(*known, "code") == "session_limit_exceeded"
    api.world.command("DEL", "authsession:user-active:u1")
    assert api.confirm(challenge_id, code).status == 200


def test_faults_of_the_key_and_the_time_zone_take_no_try(api: Api) -> None:
    challenge_id, code = api.challenge()
    api.confirm(challenge_id, wrong(code), client_public_key="AAAA")
    api.confirm(challenge_id, wrong(code), time_zone="Nowhere")
    assert api.world.hash(f"authsession:challenge:{challenge_id}")["tries"] == "0"


@pytest.mark.parametrize(
    "reply",
    [
        (500, {}),
        (200, {"user_id": "u1", "status": "frozen"}),
        (200, "x"),
        "drop",
        "hang",
        b"nonsense\r\n\r\n",
    ],
)
def test_a_failing_user_service_costs_no_try_and_the_code_stays_good(api: Api, reply: Answer) -> None:
    challenge_id, code = api.challenge()
    api.users.replies = [reply]
    for _ in range(6):
        assert error(api.confirm(challenge_id, code)) == (503, "service_unavailable")
    assert api.world.hash(f"authsession:challenge:{challenge_id}")["tries"] == "0"
    assert api.world.events() == []
    api.users.replies = [ACTIVE]
    assert api.confirm(challenge_id, code).status == 200


def test_a_user_whom_the_user_service_calls_blocked_gets_no_session(api: Api) -> None:
    challenge_id, code = api.challenge()
    api.users.replies = [(200, {"user_id": "u1", "status": "blocked"})]
    assert error(api.confirm(challenge_id, code)) == (403, "blocked_by_policy")
    assert api.world.events() == []


def test_a_repeated_confirm_needs_no_user_service(api: Api) -> None:
    challenge_id, code = api.challenge()
    first = api.confirm(challenge_id, code)
    api.users.replies = ["drop"]
    second = api.confirm(challenge_id, code)
    assert second.body == first.body
    assert error(api.confirm(challenge_id, code, client_public_key=key("bob"))) == (
        404,
        "challenge_not_found",
    )
    assert len(api.users.calls) == 1


def test_a_repeated_confirm_of_a_revoked_session_tells_its_id_and_revives_nothing(api: Api) -> None:
    challenge_id, code = api.challenge()
    first = api.confirm(challenge_id, code)
    device_session_id = json.loads(first.body)["device_session_id"]
    api.call("POST", f"/api/v1/internal/sessions/{device_session_id}/revoke", WHY)
    assert api.confirm(challenge_id, code).body == first.body
    assert api.world.hash(f"gateway:session:{device_session_id}")["status"] == "revoked"


def test_revoking_is_idempotent_and_unknown_sessions_are_404(api: Api) -> None:
    path = f"/api/v1/internal/sessions/{api.sign_in()}/revoke"
    first = json.loads(api.call("POST", path, WHY).body)
    second = json.loads(api.call("POST", path, {"reason_code": "other", "actor": "admin:1"}).body)
    assert (first["outcome"], second["outcome"]) == ("revoked", "already_revoked")
    assert first["session"] == second["session"]
    for unknown in ("s_unknown", "x" * 129, "%2F", "%C3%BC", "%0A"):
        for method, suffix, body in (("GET", "", None), ("POST", "/revoke", WHY)):
            reply = api.call(method, f"/api/v1/internal/sessions/{unknown}{suffix}", body)
            assert error(reply) == (404, "session_not_found")


def test_revoke_all_and_the_list(api: Api) -> None:
    ids = [api.sign_in(name) for name in ("one", "two", "three")]
    path = "/api/v1/internal/users/u1/sessions"
    page = json.loads(api.call("GET", f"{path}?page_size=2").body)
    rest = json.loads(api.call("GET", f"{path}?page_size=2&cursor={page['next_cursor']}").body)
    assert [s["device_session_id"] for s in page["sessions"] + rest["sessions"]] == ids[::-1]
    assert "next_cursor" not in rest
    assert json.loads(api.call("POST", f"{path}/revoke-all", WHY).body) == {
        "user_id": "u1",
        "revoked_count": 3,
    }
    assert json.loads(api.call("POST", f"{path}/revoke-all", WHY).body)["revoked_count"] == 0
    assert json.loads(api.call("GET", "/api/v1/internal/users/nobody/sessions").body) == {"sessions": []}


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=101",
        "page_size=-1",
        "page_size=x",
        "page_size=",
        "page_size=1.5",
        "page_size=null",
        "page_size=1&page_size=2",
        "cursor=",
        "cursor=x",
        "cursor=null",
        "size=1",
        "page_size",
        "page_size=1&",
        f"cursor={'a' * 200}",
    ],
)
def test_a_query_of_another_form_is_refused(api: Api, query: str) -> None:
    reply = api.call("GET", f"/api/v1/internal/users/u1/sessions?{query}")
    assert error(reply) == (400, "invalid_request")


def test_a_user_id_of_another_form_is_refused(api: Api) -> None:
    for user_id in ("x" * 129, "%2F", "%20", "%C3%BC"):
        for method, suffix, body in (("GET", "", None), ("POST", "/revoke-all", WHY)):
            reply = api.call(method, f"/api/v1/internal/users/{user_id}/sessions{suffix}", body)
            assert error(reply) == (400, "invalid_request")


def test_blocks(api: Api) -> None:
    api.sign_in()
    first = json.loads(api.call("POST", BLOCKS, {"user_id": "u1", **WHY}).body)
    again = json.loads(api.call("POST", BLOCKS, {"user_id": "u1", "reason_code": "other", "actor": "a"}).body)
    assert first["blocked_at_ms"] == again["blocked_at_ms"]
    assert (first["outcome"], first["subject"], first["revoked_count"]) == ("blocked", "user_id", 1)
    assert (again["outcome"], again["reason_code"], again["revoked_count"]) == (
        "already_blocked",
        "lost_device",
        0,
    )
    address = api.call("POST", BLOCKS, {"email": "Ada@example.test", **WHY})
    assert json.loads(address.body)["subject"] == "email"
    assert b"ada" not in address.body.lower()
    assert error(api.confirm(*api.challenge("bob@example.test"))) == (403, "blocked_by_policy")


@pytest.mark.parametrize(
    "document",
    [
        WHY,
        {"user_id": "u1", "email": "ada@example.test", **WHY},
        {"user_id": None, "email": "ada@example.test", **WHY},
        {"user_id": "u1", "actor": "a"},
        {"user_id": "u1", "reason_code": "r"},
        {"user_id": "u1", "reason_code": "Not a word", "actor": "a"},
        {"user_id": "u1", "reason_code": "word\n", "actor": "a"},
        {"user_id": "u1", "reason_code": "", "actor": "a"},
        {"user_id": "u1", "reason_code": "r" * 65, "actor": "a"},
        {"user_id": "u1", "reason_code": "r", "actor": ""},
        {"user_id": "u1", "reason_code": "r", "actor": "a b"},
        {"user_id": "u1", "reason_code": "r", "actor": "ä"},
        {"user_id": "u/1", **WHY},
        {"user_id": "", **WHY},
        {"user_id": "u1", "reason_code": "r", "actor": "a", "more": 1},
        [],
        "u1",
    ],
)
def test_a_block_of_another_form_is_refused(api: Api, document: object) -> None:
    assert error(api.call("POST", BLOCKS, document)) == (400, "invalid_request")
    assert api.world.command("KEYS", "authsession:*block*") == []


def test_without_redis_everything_is_503_and_comes_back_by_itself(world: World) -> None:
    with embedded_valkey() as server:
        api = Api(world, server.unix_url)
        challenge_id, code = api.challenge()
        server.kill()
        calls = [
            ("POST", SEND, {"email": "bob@example.test"}),
            ("GET", "/api/v1/internal/sessions/s_1", None),
            ("GET", "/api/v1/internal/users/u1/sessions", None),
            ("POST", "/api/v1/internal/sessions/s_1/revoke", WHY),
            ("POST", "/api/v1/internal/users/u1/sessions/revoke-all", WHY),
            ("POST", BLOCKS, {"user_id": "u1", **WHY}),
        ]
        for method, path, document in calls:
            assert error(api.call(method, path, document)) == (503, "service_unavailable")
        assert error(api.confirm(challenge_id, code)) == (503, "service_unavailable")
        server.start()
        # Everything is lost: nothing of before is accepted.
        assert error(api.confirm(challenge_id, code)) == (404, "challenge_not_found")
        assert api.challenge()[0] != challenge_id


def test_a_full_redis_is_503_and_nothing_is_half_written(api: Api) -> None:
    challenge_id, code = api.challenge()
    api.world.command("CONFIG", "SET", "maxmemory", "1")
    try:
        assert error(api.confirm(challenge_id, code)) == (503, "service_unavailable")
        assert error(api.call("POST", SEND, {"email": "bob@example.test"})) == (503, "service_unavailable")
    finally:
        api.world.command("CONFIG", "SET", "maxmemory", "0")
    assert api.world.events() == []
    assert api.confirm(challenge_id, code).status == 200
