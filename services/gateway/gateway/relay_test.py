import json
from typing import Any

import pytest
from servicekit import tracing
from servicekit.testing.valkey import Valkey

from gateway.public_api import CONFIRM_EMAIL_CODE, SEND_EMAIL_CODE
from gateway.relay import error_codes
from gateway.testing.http_server import http_answer
from gateway.testing.public import CONFIRM, SEND, code_of, running_public

CHALLENGE = b'{"challenge_id":"challenge-1"}'


def error(code: str, **more: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "Because."} | more}, indent=1).encode()


PAIRS = [
    (status, code)
    for status in sorted(CONFIRM_EMAIL_CODE.errors)
    for code in sorted(error_codes(CONFIRM_EMAIL_CODE, status))
]


def test_authsessions_codes_are_those_of_the_platform() -> None:
    assert set(PAIRS) == {
        (400, "invalid_request"),
        (400, "invalid_code"),
        (400, "invalid_client_public_key"),
        (400, "invalid_time_zone"),
        (403, "blocked_by_policy"),
        (404, "challenge_not_found"),
        (409, "session_limit_exceeded"),
        (410, "challenge_expired"),
        (429, "too_many_attempts"),
        (503, "service_unavailable"),
    }


async def test_an_answer_comes_back_as_it_is(valkey: Valkey) -> None:
    async with running_public(valkey) as public:
        public.authsession.always(http_answer(200, b'{ "challenge_id" : "challenge-1" }'))
        reply = await public.send()
        assert (reply.status, reply.body) == (200, b'{ "challenge_id" : "challenge-1" }')
        [(line, _, body)] = public.authsession.requests
        assert line == f"POST {SEND_EMAIL_CODE.path} HTTP/1.1"
        assert json.loads(body) == SEND


@pytest.mark.parametrize(("status", "code"), PAIRS)
async def test_errors_pass_unchanged(valkey: Valkey, status: int, code: str) -> None:
    async with running_public(valkey) as public:
        public.authsession.always(http_answer(status, error(code), "Retry-After: 17"))
        reply = await public.confirm()
        assert (reply.status, reply.body, reply.headers.get("retry-after")) == (status, error(code), "17")


async def test_what_the_client_says_of_itself_is_passed_on(valkey: Valkey) -> None:
    async with running_public(valkey) as public:
        public.authsession.always(http_answer(200, CHALLENGE))
        trace = "0af7651916cd43dd8448eb211c80319c"
        reply = await public.send(
            accept_language="de-CH, de;q=0.9",
            traceparent=f"00-{trace}-b7ad6b7169203331-01",
            x_request_id="request-1",
            cookie="secret=1",
        )
        assert reply.headers.get("x-request-id") == "request-1"
        [(_, headers, _)] = public.authsession.requests
        assert headers["accept-language"] == "de-CH, de;q=0.9"
        assert headers["x-request-id"] == "request-1"
        assert tracing.trace_id(headers["traceparent"]) == trace
        assert "b7ad6b7169203331" not in headers["traceparent"]
        assert "cookie" not in headers


@pytest.mark.parametrize(
    "raw",
    [
        http_answer(200, b""),
        http_answer(200, b"{}"),
        http_answer(200, b'{"challenge_id":"c","more":1}'),
        http_answer(200, b'{"challenge_id":""}'),
        http_answer(200, CHALLENGE + b"{}"),
        http_answer(200, b'{"challenge_id":"\xff"}'),
        http_answer(200, CHALLENGE, media_type="text/html"),
        http_answer(201, CHALLENGE),
        http_answer(302, CHALLENGE, "Location: http://example.test/"),
        http_answer(400, b"oops"),
        http_answer(400, error("made_up")),
        http_answer(404, error("invalid_request")),
        http_answer(410, error("challenge_expired")),
        http_answer(429, error("rate_limited")),
        http_answer(500, error("internal_error", request_id="r")),
        http_answer(503, error("service_unavailable"), "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"),
        http_answer(200, b'"' + bytes(300_000) + b'"'),
        b"not http\r\n\r\n",
        b"",
    ],
)
async def test_what_the_contract_does_not_know_is_unavailable(valkey: Valkey, raw: bytes) -> None:
    async with running_public(valkey) as public:
        public.authsession.always(raw)
        reply = await public.send()
        assert (reply.status, code_of(reply)) == (503, "service_unavailable")
        assert not public.dependency.available
        public.authsession.always(http_answer(200, CHALLENGE))
        assert (await public.send()).status == 200
        assert public.dependency.available


async def test_a_slow_authsession_is_a_timeout(valkey: Valkey) -> None:
    async with running_public(valkey, upstream_timeout=0.1) as public:
        public.authsession.never()
        reply = await public.send()
        assert (reply.status, code_of(reply)) == (504, "upstream_timeout")


async def test_an_authsession_that_is_gone_is_unavailable(valkey: Valkey) -> None:
    async with running_public(valkey) as public:
        await public.authsession.stop()
        reply = await public.confirm()
        assert (reply.status, code_of(reply)) == (503, "service_unavailable")


async def test_without_authsession_sign_in_is_unavailable(valkey: Valkey) -> None:
    async with running_public(valkey, configured=False) as public:
        for reply in (await public.send(), await public.confirm()):
            assert (reply.status, code_of(reply)) == (503, "service_unavailable")
        assert public.authsession.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"ada@example.test"',
        {},
        {"email": None},
        {"email": 5},
        {"email": ""},
        {"email": "a" * 255},
        SEND | {"more": 1},
        b'{"email":"a@b.test"}{"email":"a@b.test"}',
        b'{"email":"a@b.test","email":"c@d.test"}',
        b'{"email":"\xff@b.test"}',
    ],
    ids=repr,
)
async def test_a_malformed_body_goes_no_further(valkey: Valkey, body: Any) -> None:
    async with running_public(valkey) as public:
        reply = await public.send(body)
        assert (reply.status, code_of(reply)) == (400, "invalid_request")
        assert public.authsession.requests == []


@pytest.mark.parametrize("field", sorted(CONFIRM))
@pytest.mark.parametrize("value", [None, 5, "", "x" * 300])
async def test_every_field_of_confirm_is_checked(valkey: Valkey, field: str, value: Any) -> None:
    async with running_public(valkey) as public:
        reply = await public.confirm(**{field: value})
        assert (reply.status, code_of(reply)) == (400, "invalid_request")
        assert public.authsession.requests == []


async def test_the_transports_own_refusals(valkey: Valkey) -> None:
    async with running_public(valkey) as public:
        path = SEND_EMAIL_CODE.path
        too_large = await public.post(path, b'{"email":"' + b"a" * 16384 + b'"}')
        assert (too_large.status, code_of(too_large)) == (413, "request_too_large")
        wrong_type = await public.post(path, SEND, content_type="text/plain")
        assert (wrong_type.status, code_of(wrong_type)) == (415, "unsupported_media_type")
        wrong_method = await public.client.request("GET", path)
        assert (wrong_method.status, code_of(wrong_method)) == (405, "method_not_allowed")
        assert wrong_method.headers.get("allow") == "POST"
        query = await public.post(path + "?a=1", SEND)
        assert (query.status, code_of(query)) == (400, "invalid_request")
        nowhere = await public.post("/api/v1/public/auth/", SEND)
        assert (nowhere.status, code_of(nowhere)) == (404, "not_found")
        assert public.authsession.requests == []
