"""The published document is what the code serves."""

from typing import Any

import msgspec
import yaml

from servicekit import openapi
from servicekit.http import Operation


class Thing(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: str


class Page(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    limit: int
    after: str | None = None


CREATE = Operation(
    id="create",
    method="POST",
    path="/owners/{owner_id}/things",
    summary="Make",
    request=Thing,
    response=Thing,
    query=Page,
    status=201,
    errors={400: ("invalid_name",), 404: ("owner_not_found",)},
    request_headers={"accept-language": "Language"},
    response_headers={"location": "Where"},
)


def _create() -> Any:
    schema = openapi.document(title="T", version="1", description="", operations=[CREATE])
    return yaml.safe_load(openapi.render(schema, note="A note"))


def test_the_admin_file_is_current() -> None:
    assert openapi.ADMIN_PATH.read_text(encoding="utf-8") == openapi.admin_document(), (
        "run: python -m servicekit.openapi"
    )


def test_every_status_is_listed_with_its_codes() -> None:
    responses = _create()["paths"]["/owners/{owner_id}/things"]["post"]["responses"]
    codes = {status: response.get("x-error-codes") for status, response in responses.items()}
    assert codes == {
        "201": None,
        "400": ["invalid_name", "invalid_request"],
        "404": ["owner_not_found"],
        "405": ["method_not_allowed"],
        "413": ["request_too_large"],
        "415": ["unsupported_media_type"],
        "default": ["internal_error", "request_timeout", "shutting_down"],
    }
    assert responses["201"]["headers"]["location"]["description"] == "Where"
    assert responses["405"]["headers"]["Allow"]["required"] is True


def test_structs_are_closed_schemas() -> None:
    document = _create()
    thing = document["components"]["schemas"]["Thing"]
    assert thing["additionalProperties"] is False
    assert thing["required"] == ["name"]
    post = document["paths"]["/owners/{owner_id}/things"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Thing"
    }


def test_parameters_come_from_the_path_the_query_and_the_headers() -> None:
    parameters = _create()["paths"]["/owners/{owner_id}/things"]["post"]["parameters"]
    assert [(each["in"], each["name"], each.get("required", False)) for each in parameters] == [
        ("path", "owner_id", True), ("query", "limit", True), ("query", "after", False), ("header", "accept-language", False),
    ]  # fmt: skip


def test_every_reference_is_defined() -> None:
    for document in (_create(), yaml.safe_load(openapi.admin_document())):
        schemas = document["components"]["schemas"]
        text = str(document)
        references = {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}
        assert references <= set(schemas)
        assert set(schemas) <= references
