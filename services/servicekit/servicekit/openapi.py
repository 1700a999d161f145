"""OpenAPI 3.1 from operations and their structs: what is published is what the router serves.

For developers, at no service's boot: ``python -m servicekit.openapi`` writes ``api/admin.openapi.yaml``. Needs PyYAML.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, Final

import msgspec

from servicekit import admin
from servicekit.errors import ErrorBody
from servicekit.http import JSON, Operation

Schema = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{name}"

#: Descriptions of the statuses that the router itself gives.
DESCRIPTIONS: Final[Mapping[int, str]] = {
    400: "The request is not in the documented form",
    405: "The path has no such method",
    413: "The request's body is larger than the limit",
    415: "The request's body is not unencoded JSON in UTF-8",
}


def errors_of(operation: Operation) -> dict[int, tuple[str, ...]]:
    """Give every error status of an operation with its codes: the handler's and the router's."""
    codes: dict[int, set[str]] = {400: {"invalid_request"}, 405: {"method_not_allowed"}}
    if operation.request is not None or operation.request_media_type != JSON:
        codes |= {413: {"request_too_large"}, 415: {"unsupported_media_type"}}
    for status, more in operation.errors.items():
        codes.setdefault(status, set()).update(more)
    return {status: tuple(sorted(codes[status])) for status in sorted(codes)}


def document(
    *,
    title: str,
    version: str,
    description: str,
    operations: Sequence[Operation],
    descriptions: Mapping[int, str] | None = None,
) -> Schema:
    """Make the document. ``descriptions`` say what a status means where the router's do not."""
    kinds: list[type[msgspec.Struct]] = [ErrorBody]
    for operation in operations:
        kinds += [kind for kind in (operation.request, operation.response) if kind is not None]
        kinds += operation.other_responses.values()
    _, schemas = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    said = {**DESCRIPTIONS, **(descriptions or {})}
    paths: Schema = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, said)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def _reference(kind: type[msgspec.Struct]) -> Schema:
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def _content(kind: type[msgspec.Struct]) -> Schema:
    return {JSON: {"schema": _reference(kind)}}


def _parameters(operation: Operation) -> list[Schema]:
    parameters: list[Schema] = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in operation.path.split("/")
        if part.startswith("{")
    ]
    if operation.query is not None:
        (reference,), schemas = msgspec.json.schema_components([operation.query], ref_template="{name}")
        query = schemas[reference["$ref"]]
        for name, schema in query["properties"].items():
            required = name in query.get("required", ())
            parameters.append({"name": name, "in": "query", "required": required, "schema": schema})
    for name, text in operation.request_headers.items():
        parameters.append({"name": name, "in": "header", "description": text, "schema": {"type": "string"}})
    return parameters


def _operation(operation: Operation, said: Mapping[int, str]) -> Schema:
    result: Schema = {"operationId": operation.id, "summary": operation.summary}
    if operation.description:
        result["description"] = operation.description
    if parameters := _parameters(operation):
        result["parameters"] = parameters
    if operation.request is not None or operation.request_media_type != JSON:
        media = {"schema": _reference(operation.request) if operation.request is not None else {}}
        result["requestBody"] = {"required": True, "content": {operation.request_media_type: media}}
    success: Schema = {"description": "Done"}
    if operation.response is not None:
        success["content"] = _content(operation.response)
    elif operation.media_type != JSON:
        success["content"] = {operation.media_type: {"schema": {"type": "string"}}}
    if operation.response_headers:
        success["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in operation.response_headers.items()
        }
    responses: Schema = {str(operation.status): success}
    for status, kind in operation.other_responses.items():
        responses[str(status)] = {
            "description": said.get(status, "Done otherwise"),
            "content": _content(kind),
        }
    for status, codes in errors_of(operation).items():
        response: Schema = {
            "description": said.get(status, "An error"),
            "x-error-codes": list(codes),
            "content": _content(ErrorBody),
        }
        if status == 405:
            response["headers"] = {
                "Allow": {
                    "description": "The methods of this path",
                    "required": True,
                    "schema": {"type": "string"},
                }
            }
        responses[str(status)] = response
    responses["default"] = {
        "description": "408 request_timeout, when a body arrives too slowly; 500 internal_error, a defect, whose "
        "request_id finds the log entry; 503 shutting_down, when the drain's budget ends",
        "x-error-codes": ["internal_error", "request_timeout", "shutting_down"],
        "content": _content(ErrorBody),
    }
    result["responses"] = responses
    return result


def render(schema: Schema, *, note: str) -> str:
    """Write a document as YAML, under a comment."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - a document is easier to read without aliases
            return True

    text: str = yaml.dump(schema, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return f"# {note}\n{text}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """A service's document: a module ``openapi`` of it is this and little more.

        PUBLISHED = Publication(
            module=__spec__, title="lobby", description="...", operations=OPERATIONS, statuses={404: "There is no such game"},
            parameters={"game_id": (Game, "game_id")},
        )

        if __name__ == "__main__":
            PUBLISHED.print()

    ``module`` is the module's ``__spec__``. ``statuses`` say what a status means where the router's words do not. A parameter
    named in ``parameters`` has the rules of a struct's field, or the schema that is given. ``amend`` changes the
    document where structs cannot say it.
    """

    module: ModuleSpec | None
    title: str
    description: str
    operations: Sequence[Operation]
    version: str = "1.0.0"
    statuses: Mapping[int, str] = field(default_factory=dict)
    parameters: Mapping[str, tuple[type[msgspec.Struct], str] | Schema] = field(default_factory=dict)
    amend: Callable[[Schema], object] | None = None

    @property
    def path(self) -> Path:
        """Where it is published: ``api/openapi.yaml`` beside the package."""
        return Path(self._spec.origin or "").parent.parent / "api" / "openapi.yaml"

    @property
    def command(self) -> str:
        """How it is made, to stdout."""
        return f"python -m {self._spec.name}"

    @property
    def _spec(self) -> ModuleSpec:
        if self.module is None:
            raise ValueError(
                "this module was not imported by its name (run it by `python -m <service>.openapi`)"
            )
        return self.module

    def document(self) -> Schema:
        """Make the document."""
        schema = document(
            title=self.title,
            version=self.version,
            description=self.description,
            operations=self.operations,
            descriptions=self.statuses,
        )
        rules = {
            name: _rules(*given) if isinstance(given, tuple) else given
            for name, given in self.parameters.items()
        }
        for path in schema["paths"].values():
            for operation in path.values():
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = rules.get(parameter["name"], parameter["schema"])
        if self.amend is not None:
            self.amend(schema)
        return schema

    def text(self) -> str:
        """Give the file, byte for byte."""
        note = f"Generated by `{self.command}`; a unit test holds it equal to the code."
        return render(self.document(), note=note)

    def print(self) -> None:
        """Write the file's text to stdout."""
        sys.stdout.write(self.text())


def _rules(kind: type[msgspec.Struct], name: str) -> Schema:
    """Give what a struct says about a field, without what is the field's own: its description and its default."""
    _, schemas = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    schema: Schema = schemas[kind.__name__]["properties"][name]
    return {rule: value for rule, value in schema.items() if rule not in {"description", "default", "title"}}


def admin_document() -> str:
    """Give the published contract of the admin listener."""
    schema = document(
        title="Admin listener of a service",
        version="1.0.0",
        description="Health, readiness and metrics, the same for every service. Not for the public network.",
        operations=admin.OPERATIONS,
        descriptions={503: "A dependency cannot be reached, or the service is stopping"},
    )
    return render(
        schema, note="Generated by `python -m servicekit.openapi`; a unit test holds it equal to the code."
    )


ADMIN_PATH: Final = Path(__file__).parent.parent / "api" / "admin.openapi.yaml"

if __name__ == "__main__":
    ADMIN_PATH.write_text(admin_document(), encoding="utf-8")
    sys.stdout.write(f"written: {ADMIN_PATH}\n")
