"""Both sides of the signing contract are held by the same published vectors."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import ContractError
from contracts.gateway import signing
from contracts.wire.gateway.v1 import edge_gateway_pb2 as wire

API = Path(__file__).parents[3] / "services" / "gateway" / "api"
DOCUMENT = json.loads((API / "signing_vectors.json").read_text(encoding="utf-8"))
BYTES = ("payload_bytes", "payload_hash", "signature")


def vectors(kind: str) -> list[Any]:
    return [pytest.param(v, id=v["name"]) for v in DOCUMENT["vectors"] if v["kind"] == kind]


def fields(vector: dict[str, Any]) -> dict[str, Any]:
    return {name: b64decode(v) if name in BYTES else v for name, v in vector["message"].items()}


def gateway_keys() -> signing.GatewayKeys:
    gateway = DOCUMENT["keys"]["gateway"]
    return signing.GatewayKeys({gateway["key_id"]: gateway["public_key"]})


@pytest.mark.parametrize("vector", vectors("request"))
def test_a_request_is_signed_as_published(vector: dict[str, Any]) -> None:
    request = wire.ExecuteCommandRequest(**fields(vector))
    client = signing.DeviceKey(b64decode(DOCUMENT["keys"]["client"]["seed"]))
    assert client.public == DOCUMENT["keys"]["client"]["public_key"]
    assert signing.request_input(request).hex() == vector["signing_input"]
    assert client.sign(signing.request_input(request)) == request.signature


@pytest.mark.parametrize("vector", vectors("response"))
def test_a_response_is_verified_as_published(vector: dict[str, Any]) -> None:
    response = wire.ExecuteCommandResponse(**fields(vector))
    assert signing.response_input(response).hex() == vector["signing_input"]
    gateway_keys().verify_response(response)


@pytest.mark.parametrize("vector", vectors("event"))
def test_an_event_is_verified_as_published(vector: dict[str, Any]) -> None:
    event = wire.SubscribeEventsResponse(**fields(vector))
    assert signing.event_input(event).hex() == vector["signing_input"]
    gateway_keys().verify_event(event)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"payload_bytes": b"{}"}, "payload_hash"),
        ({"status_code": 201}, "signature"),
        ({"request_id": "another"}, "signature"),
        ({"timestamp_ms": 1}, "signature"),
        ({"protocol_version": "v2"}, "signature"),
        ({"signature": bytes(64)}, "signature"),
    ],
)
def test_a_forged_response_is_refused(change: dict[str, Any], complaint: str) -> None:
    [vector, *_] = [v for v in DOCUMENT["vectors"] if v["kind"] == "response"]
    forged = wire.ExecuteCommandResponse(**(fields(vector) | change))
    with pytest.raises(ContractError, match=complaint):
        gateway_keys().verify_response(forged)


@pytest.mark.parametrize("change", [{"event_id": "other"}, {"event_type": "a.b"}, {"timestamp_ms": 1}])
def test_a_forged_event_is_refused(change: dict[str, Any]) -> None:
    [vector, *_] = [v for v in DOCUMENT["vectors"] if v["kind"] == "event"]
    with pytest.raises(ContractError, match="signature"):
        gateway_keys().verify_event(wire.SubscribeEventsResponse(**(fields(vector) | change)))


def test_a_key_under_a_wrong_id_is_refused() -> None:
    with pytest.raises(ContractError, match="6a3803d5f059902a"):
        signing.GatewayKeys({"0" * 16: DOCUMENT["keys"]["gateway"]["public_key"]})
