"""A contract judges requests and responses: what it must refuse is refused, for the reason named."""

from pathlib import Path
from typing import Any

import pytest

from contracts import yamlfile
from contracts.errors import ContractError, ContractFileError
from contracts.http import Answer, Request
from contracts.openapi import Contract

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "object", "properties": {"code": {"enum": ["bad_name", "taken"]}}}},
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {
        "/things/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 4}},
                {"name": "size", "in": "query", "schema": {"type": "integer", "minimum": 1}},
            ],
            "put": {
                "operationId": "putThing",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                },
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}
                    },
                    "204": {"description": "no content"},
                    "400": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
                    },
                    "429": {
                        "x-error-codes": ["slow_down"],
                        "headers": {"Retry-After": {"required": True, "schema": {"type": "integer"}}},
                        "content": {"application/json": {}},
                    },
                    "default": {"description": "a defect"},
                },
            },
        },
        "/things/mine": {"get": {"operationId": "mine", "responses": {"204": {}}}},
    },
    "components": {
        "schemas": {
            "Thing": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name"],
                "properties": {"name": {"type": "string", "pattern": "^(?!x)"}},
            },
            "Error": ERROR,
        }
    },
}
CONTRACT = Contract("test", DOCUMENT)
PUT = CONTRACT.operation("putThing")
JSON = (("Content-Type", "application/json"),)


def request(**changes: Any) -> Request:
    return Request(
        **({"method": "PUT", "path": "/things/a", "headers": JSON, "body": b'{"name":"a"}'} | changes)
    )


def answer(status: int, body: bytes, headers: tuple[tuple[str, str], ...] = JSON) -> Answer:
    return Answer(status, headers, body, 0.0, request())


def test_a_right_request_passes() -> None:
    PUT.check_request(request(query=(("size", "1"),)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"body": b'{"name":1}'}, "name"),
        ({"body": b'{"name":"xy"}'}, "match"),
        ({"body": b'{"name":"a","other":1}'}, "other"),
        ({"body": b'{"name":"a","name":"b"}'}, "twice"),
        ({"body": b'{"name":"a"}{}'}, "Extra data"),
        ({"body": None}, "missing"),
        ({"headers": ()}, "content type"),
        ({"path": "/things/abcde"}, "parameter id"),
        ({"query": (("size", "0"),)}, "parameter size"),
        ({"query": (("size", "many"),)}, "not integer"),
        ({"query": (("other", "1"),)}, "not documented"),
        ({"query": (("size", "1"), ("size", "2"))}, "twice"),
        ({"method": "POST"}, "expected PUT"),
    ],
)
def test_a_wrong_request_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        PUT.check_request(request(**changes))


@pytest.mark.parametrize(
    ("sent", "outcome"),
    [
        (answer(200, b'{"name":"a"}'), "200"),
        (answer(204, b"", ()), "204"),
        (answer(400, b'{"error":{"code":"taken"}}'), "400 taken"),
        (answer(429, b'{"error":{"code":"slow_down"}}', (*JSON, ("retry-after", "3"))), "429 slow_down"),
    ],
)
def test_a_documented_response_has_an_outcome(sent: Answer, outcome: str) -> None:
    assert PUT.check_response(sent) == outcome
    assert outcome in PUT.outcomes


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (answer(201, b"{}"), "201 is not documented"),
        (answer(500, b"{}"), "500 is not documented"),
        (answer(200, b"{}"), "name"),
        (answer(200, b"[", ()), "content type"),
        (answer(200, b'{"name":"a"'), "not application/json"),
        (answer(204, b"{}"), "a body"),
        (answer(400, b'{"error":{"code":"other"}}'), "other"),
        (answer(429, b'{"error":{"code":"slow_down"}}'), "Retry-After is missing"),
        (answer(429, b'{"error":{"code":"slow_down"}}', (*JSON, ("Retry-After", "soon"))), "not integer"),
    ],
)
def test_an_undocumented_response_is_refused(sent: Answer, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        PUT.check_response(sent)


def test_the_methods_of_a_path_are_those_of_every_template_that_fits() -> None:
    assert CONTRACT.allowed("/things/mine") == {"GET", "PUT"}


def test_outcomes_are_statuses_and_codes_without_the_defect() -> None:
    assert PUT.outcomes == {"200", "204", "400 bad_name", "400 taken", "429 slow_down"}


def test_an_unknown_operation_and_a_foreign_document_are_named() -> None:
    with pytest.raises(ContractFileError, match="putThing"):
        CONTRACT.operation("nothing")
    with pytest.raises(ContractFileError, match="has no x-commands"):
        CONTRACT.extension("x-commands")
    with pytest.raises(ContractFileError, match="no operation"):
        Contract("empty", {"openapi": "3.1.0", "paths": {}})


@pytest.mark.parametrize("text", [None, "openapi: [", "a: !!python/object:os.system {}"])
def test_a_file_that_is_no_document_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "openapi.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ContractFileError, match=str(path)):
        yamlfile.load(path)
