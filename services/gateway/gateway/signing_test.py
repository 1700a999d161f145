import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.envelope import Envelope
from gateway.envelope_test import envelopes
from gateway.signing import (
    Signer,
    decode_key,
    event_signing_input,
    is_signed_by,
    request_signing_input,
    response_signing_input,
    signing_input,
)

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "api" / "signing_vectors.json").read_text())
BINARY = ("payload_bytes", "payload_hash", "signature")


def message_of(vector: dict[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64decode(value) if name in BINARY else value
        for name, value in vector["message"].items()
    }


def input_of(kind: str, message: dict[str, Any]) -> bytes:
    values = {name: value for name, value in message.items() if name not in {"payload_bytes", "signature"}}
    match kind:
        case "request":
            return request_signing_input(
                Envelope(
                    payload=message["payload_bytes"], signature=message["signature"], trace_id=None, **values
                )
            )
        case "response":
            return response_signing_input(**values)
        case "event":
            return event_signing_input(**values)
        case _:
            raise AssertionError(kind)


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_published_vectors_hold(vector: dict[str, Any]) -> None:
    message = message_of(vector)
    data = input_of(vector["kind"], message)
    keys = VECTORS["keys"]["client" if vector["kind"] == "request" else "gateway"]
    assert data.hex() == vector["signing_input"]
    assert Signer(base64.b64decode(keys["seed"])).sign(data) == message["signature"]
    assert is_signed_by(base64.b64decode(keys["public_key"]), message["signature"], data)


def test_published_key_is_named_by_its_hash() -> None:
    published = Signer(base64.b64decode(VECTORS["keys"]["gateway"]["seed"])).published
    assert published.public_key == VECTORS["keys"]["gateway"]["public_key"]
    assert published.key_id == VECTORS["keys"]["gateway"]["key_id"]


@given(st.lists(st.binary(max_size=12), min_size=1), st.lists(st.binary(max_size=12), min_size=1))
def test_signing_input_is_injective(first: list[bytes], second: list[bytes]) -> None:
    assert (signing_input(*first) == signing_input(*second)) == (first == second)


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=2, max_size=6), st.data())
def test_moving_a_boundary_changes_the_signing_input(fields: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(fields) - 2))
    moved = list(fields)
    moved[index : index + 2] = [fields[index][:-1], fields[index][-1:] + fields[index + 1]]
    assert signing_input(*moved) != signing_input(*fields)


@given(envelopes, envelopes)
def test_no_two_envelopes_share_a_signing_input(first: Envelope, second: Envelope) -> None:
    def signed(envelope: Envelope) -> Envelope:
        return replace(envelope, payload=b"", signature=bytes(64), trace_id=None)

    same_input = request_signing_input(first) == request_signing_input(second)
    assert same_input == (signed(first) == signed(second))


@given(envelopes)
def test_payload_trace_id_and_signature_are_not_signed(envelope: Envelope) -> None:
    other = replace(envelope, payload=b"another", trace_id=None, signature=bytes(64))
    assert request_signing_input(other) == request_signing_input(envelope)


def test_domains_keep_messages_apart() -> None:
    assert len({signing_input(domain) for domain in (b"seatrial-request-v1", b"seatrial-response-v1")}) == 2


def test_a_changed_bit_is_not_signed() -> None:
    signer = Signer(bytes(32))
    key = base64.b64decode(signer.published.public_key)
    signature = signer.sign(b"data")
    assert is_signed_by(key, signature, b"data")
    assert not is_signed_by(key, signature, b"Data")
    assert not is_signed_by(key, bytes([signature[0] ^ 1]) + signature[1:], b"data")
    assert not is_signed_by(bytes(32), signature, b"data")


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33), b"\xff" * 32])
def test_what_is_no_key_signs_nothing(key: bytes) -> None:
    assert not is_signed_by(key, bytes(64), b"data")


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)])
def test_a_seed_has_32_bytes(seed: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Signer(seed)


@pytest.mark.parametrize(
    "text",
    ["", "!", "AAAA", base64.b64encode(bytes(33)).decode(), base64.b64encode(bytes(32)).decode()[:-2] + "B="],
)
def test_only_canonical_base64_of_32_bytes_is_a_key(text: str) -> None:
    assert decode_key(base64.b64encode(bytes(32)).decode()) == bytes(32)
    with pytest.raises(ValueError, match=r"base64|bytes"):
        decode_key(text)
