"""What must not pass does not pass: a small service with one fault at a time, which only certain calls bring out."""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from schemathesis.core.failures import FailureGroup

from machine import Fuzzed, Record
from seatrial import Environment
from seatrial.network.stub import HttpStub, Request, Response, route

ERROR: Final = {"error": {"code": "refused", "message": "No."}}
TRACED: Final = {"X-Request-Id": "r-1"}


def answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def operation(name: str, status: str, **more: Any) -> dict[str, Any]:
    refused = {code: answer("no", {"type": "object"}) for code in ("400", "404", "405")}
    ship = {"$ref": "#/components/schemas/Ship"}
    return {"operationId": name, "responses": {status: answer("yes", ship), **refused}, **more}


BODY: Final = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1}},
    "required": ["name"],
    "additionalProperties": False,
}
BY_ID: Final = [{"name": "ship_id", "in": "path", "required": True, "schema": {"type": "string"}}]
DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {"title": "ships", "version": "1"},
    "paths": {
        "/ships": {
            "post": operation(
                "createShip",
                "201",
                requestBody={"required": True, "content": {"application/json": {"schema": BODY}}},
            )
        },
        "/ships/{ship_id}": {"get": operation("getShip", "200", parameters=BY_ID)},
    },
    "components": {
        "schemas": {
            "Ship": {
                "type": "object",
                "properties": {"ship_id": {"type": "string"}, "name": {"type": "string"}},
                "required": ["ship_id", "name"],
                "additionalProperties": False,
            }
        }
    },
}


class Ships(HttpStub):
    """A service that does as documented, but for one fault."""

    name = "ships"

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault_of_its_own = fault
        self.built: dict[str, dict[str, str]] = {}
        self.asked: Counter[str] = Counter()

    @route("POST", "/ships")
    def build(self, request: Request) -> Response:
        try:
            document = json.loads(request.body)
        except ValueError:
            document = None
        named = isinstance(document, dict) and set(document) == {"name"}
        name = document["name"] if named else None
        if self.fault_of_its_own == "accepts more than it documents" and not name:
            name = "Unnamed"
        if not (isinstance(name, str) and name):
            return Response.json(ERROR, 400, TRACED)
        ship = {"ship_id": f"s{len(self.built)}", "name": name}
        self.built[ship["ship_id"]] = ship
        return Response.json(ship, 201, TRACED)

    @route("GET", "/ships/{ship_id}")
    def show(self, request: Request) -> Response:
        ship = self.built.get(request.parameters["ship_id"])
        if ship is None or self.fault_of_its_own == "never shows":
            return Response.json({} if self.fault_of_its_own == "no code" else ERROR, 404, TRACED)
        self.asked[ship["ship_id"]] += 1
        right = Response.json(ship, 200, TRACED)
        if self.asked[ship["ship_id"]] == 1:
            return right
        answers = {
            "fails when asked again": Response.json(ERROR, 500, TRACED),
            "answers what it does not document": Response.json(ship, 418, TRACED),
            "forgets a field": Response.json({"ship_id": ship["ship_id"]}, 200, TRACED),
            "cannot be traced": Response.json(ship, 200),
        }
        return answers.get(self.fault_of_its_own, right)


def fuzz(environment: Environment, folder: Path, fault: str) -> Record:
    ships = environment.stub(Ships(fault))
    ships.allow_violation(".*")  # whatever it is sent is meant
    document = folder / "ships.yaml"
    document.write_text(yaml.safe_dump(DOCUMENT))
    record = Record(Counter())
    service = Fuzzed(document, ships.url(), 11)
    service.single_calls(20, record)
    service.sequences(200, 10, record, reach={"createShip", "getShip"})
    return record


def test_a_service_that_does_as_documented_passes(environment: Environment, tmp_path: Path) -> None:
    record = fuzz(environment, tmp_path, "none")
    assert record.succeeded == record.operations == {"createShip", "getShip"}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("fails when asked again", "Server error"),
        ("answers what it does not document", "Undocumented status code"),
        ("forgets a field", "violates schema"),
        ("accepts more than it documents", "should have been rejected"),
        ("no code", "without a code"),
        ("cannot be traced", "no X-Request-Id"),
    ],
)
def test_a_fault_is_found_and_told(environment: Environment, tmp_path: Path, fault: str, said: str) -> None:
    with pytest.raises((FailureGroup, AssertionError)) as found:
        fuzz(environment, tmp_path, fault)
    errors = found.value.exceptions if isinstance(found.value, FailureGroup) else (found.value,)
    assert said in "\n".join(f"{error}\n{getattr(error, 'title', '')}" for error in errors)


def test_what_must_be_reached_and_is_not_is_told_after_a_while(
    environment: Environment, tmp_path: Path
) -> None:
    ships = environment.stub(Ships("never shows"))
    ships.allow_violation(".*")
    document, record = tmp_path / "ships.yaml", Record(Counter())
    document.write_text(yaml.safe_dump(DOCUMENT))
    with pytest.raises(AssertionError, match=r"none did what \['getShip'\] are for"):
        Fuzzed(document, ships.url(), 1).sequences(20, 5, record, reach={"createShip", "getShip"})
    assert record.succeeded == {"createShip"}
    assert record.answers.total() >= 80


def test_a_document_whose_calls_lead_nowhere_is_an_error(environment: Environment, tmp_path: Path) -> None:
    ships = environment.stub(Ships("none"))
    document = tmp_path / "ships.yaml"
    alone = {path: item for path, item in DOCUMENT["paths"].items() if "post" in item}
    document.write_text(yaml.safe_dump(DOCUMENT | {"paths": alone}))
    with pytest.raises(Exception, match=r"no link definitions"):
        Fuzzed(document, ships.url(), 1).sequences(10, 5, Record(Counter()))
