"""What a contract client holds an answer to, beyond its schema."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from contracts.errors import ContractError
from contracts.gateway.public import GatewayHttp
from contracts.http import loads_strictly
from contracts.streams import schema
from seatrial.network.stub import HttpStub, Request, Response, route

ID = {"X-Request-Id": "r"}
KEYS = {"keys": [{"key_id": "k", "algorithm": "ed25519", "public_key": "p"}]}


class Gateway(HttpStub):
    """Answers what the test says."""

    reply = Response()

    @route("GET", "/api/v1/public/signing-keys")
    @route("PUT", "/api/v1/public/signing-keys")
    def keys(self, _: Request) -> Response:
        return self.reply


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as stub:
        yield stub


def error(status: int, code: str, headers: dict[str, str]) -> Response:
    return Response.json({"error": {"code": code, "message": "m"}}, status, headers)


def test_a_documented_answer_is_taken(gateway: Gateway) -> None:
    client = GatewayHttp(gateway.url())
    gateway.reply = Response.json(KEYS, headers=ID)
    client.call("listSigningKeys").expect(200)
    gateway.reply = error(405, "method_not_allowed", {**ID, "Allow": "GET, HEAD"})
    client.call("listSigningKeys", method="PUT", unchecked=True).expect_error(405, "method_not_allowed")
    with pytest.raises(ContractError, match="expected GET"):
        client.call("listSigningKeys", method="PUT")


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Response.json(KEYS), "no X-Request-Id"),
        (Response.json({**KEYS, "more": 1}, headers=ID), "more"),
        (Response.json({"keys": [{"key_id": "k"}]}, headers=ID), "algorithm"),
        (Response(200, json.dumps(KEYS).encode(), ID), "content type"),
        (Response.json(KEYS, 201, ID), "201 is not documented"),
        (error(500, "internal_error", ID), "500 is not documented"),
        (error(503, "rate_limited", ID), "none of"),
        (error(429, "rate_limited", ID), "Retry-After is missing"),
        (error(429, "rate_limited", {**ID, "Retry-After": "0"}), "Retry-After"),
        (error(405, "method_not_allowed", ID), "Allow is missing"),
        (error(405, "method_not_allowed", {**ID, "Allow": "POST"}), "Allow names"),
    ],
)
def test_an_answer_out_of_contract_is_refused(gateway: Gateway, answer: Response, complaint: str) -> None:
    gateway.reply = answer
    with pytest.raises(ContractError, match=complaint):
        GatewayHttp(gateway.url()).call("listSigningKeys")


@pytest.mark.parametrize("body", [b'{"a":1,"a":1}', b"NaN", b"{}{}", b'"\xff"', b""])
def test_json_is_read_strictly(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads_strictly(body)


SESSION: dict[str, Any] = {
    "device_session_id": "s",
    "user_id": "u",
    "status": "active",
    "client_public_key": "A" * 43 + "=",
    "created_at_ms": "1790000000123",
    "version": "1",
}
REVOKED = {
    **SESSION,
    "status": "revoked",
    "version": "2",
    "revoked_at_ms": "1",
    "revoke_reason": "lost_device",
}


@pytest.mark.parametrize("fields", [SESSION, REVOKED])
def test_a_right_projection_passes(fields: dict[str, str]) -> None:
    schema.check(schema.SESSION, fields)


@pytest.mark.parametrize(
    "fields",
    [
        {**SESSION, "status": "revoked"},
        {**SESSION, "revoked_at_ms": "1"},
        {**SESSION, "version": "01"},
        {**SESSION, "client_public_key": "A" * 44},
        {**SESSION, "secret": "x"},
        {name: value for name, value in SESSION.items() if name != "user_id"},
    ],
)
def test_a_projection_out_of_contract_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ContractError, match="gateway:session"):
        schema.check(schema.SESSION, fields)


@pytest.mark.parametrize("changes", [{"event": "session.revoked"}, {"event": "session.moved"}, {}])
def test_an_event_that_contradicts_its_projection_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ContractError, match="session-events"):
        schema.check(schema.SESSION_EVENTS, {**SESSION, **changes})
