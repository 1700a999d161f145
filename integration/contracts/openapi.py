"""A published OpenAPI 3.1 document as something that judges requests and responses.

Validators are compiled once a document with jsonschema-rs. Measured on the same schema: 1.3 us a check and 15 ms of
import, where jsonschema takes 51 us and 240 ms, and openapi-core 1,500 us and 1,100 ms.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import jsonschema_rs

from contracts import yamlfile
from contracts.errors import ContractError, ContractFileError
from contracts.http import Answer, Request, loads_strictly

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_JSON: Final = re.compile(r"^application/(?:[\w.-]+\+)?json$")


class Schema:
    """One JSON Schema (draft 2020-12) of a document, compiled; local references resolve in that document."""

    def __init__(self, schema: Any, document: Mapping[str, Any]) -> None:
        whole = {
            **{key: document[key] for key in ("components", "$defs") if key in document},
            "allOf": [schema],
        }
        self._validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    def faults(self, value: Any) -> list[str]:
        """What is wrong with `value`, one line each; empty when it conforms."""
        return [
            f"at {'/'.join(map(str, error.instance_path)) or 'the top'}: {error.message}"
            for error in self._validator.iter_errors(value)
        ]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A documented parameter; `place` is path, query or header."""

    name: str
    place: str
    required: bool
    schema: Schema
    kind: str

    def faults(self, text: str) -> list[str]:
        """What is wrong with the parameter's `text`, one line each."""
        value: Any = text
        if self.kind in ("integer", "number", "boolean"):
            try:
                value = loads_strictly(text.encode())
            except ValueError:
                return [f"{self.place} parameter {self.name}: {text!r} is not {self.kind}"]
        return [f"{self.place} parameter {self.name} {fault}" for fault in self.schema.faults(value)]


@dataclass(frozen=True, slots=True)
class Response:
    """What an operation may answer with one status."""

    status: int
    content: Mapping[str, Schema | None]
    headers: Mapping[str, Parameter]
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented operation."""

    id: str
    method: str
    template: str
    pattern: re.Pattern[str]
    parameters: tuple[Parameter, ...]
    body: Mapping[str, Schema | None] | None
    body_required: bool
    responses: Mapping[int, Response]

    def path(self, **values: str) -> str:
        """The path with its parameters filled in, as given: what needs quoting is quoted by the caller."""
        return self.template.format(**values)

    def check_request(self, request: Request) -> None:
        """Raises ContractError when `request` is not what this operation documents."""
        faults = list(self._request_faults(request))
        if faults:
            raise ContractError(
                f"the test's request {request.method} {request.target} breaks the contract of {self.id} "
                f"(pass unchecked=True when that is the point): " + "; ".join(faults)
            )

    def _request_faults(self, request: Request) -> Iterator[str]:
        match = self.pattern.fullmatch(request.path)
        if request.method.lower() != self.method or match is None:
            yield f"expected {self.method.upper()} {self.template}"
            return
        yield from self._parameter_faults(request, {k: unquote(v) for k, v in match.groupdict().items()})
        if request.body is None:
            if self.body_required:
                yield "the body is missing"
        elif self.body is None:
            yield "a body where none is documented"
        else:
            yield from _content_faults(self.body, request.header("content-type"), request.body)

    def _parameter_faults(self, request: Request, path: Mapping[str, str]) -> Iterator[str]:
        query: dict[str, str] = {}
        for name, value in request.query:
            if name in query:
                yield f"query parameter {name} is there twice"
            query[name] = value
        known = {parameter.name for parameter in self.parameters if parameter.place == "query"}
        yield from (f"query parameter {name} is not documented" for name in query.keys() - known)
        values: dict[str, Callable[[str], str | None]] = {
            "path": path.get,
            "query": query.get,
            "header": request.header,
        }
        for parameter in self.parameters:
            found = values[parameter.place](parameter.name)
            if found is not None:
                yield from parameter.faults(found)
            elif parameter.required:
                yield f"{parameter.place} parameter {parameter.name} is missing"

    def check_response(self, answer: Answer) -> str:
        """The outcome of `answer` ("200", "400 invalid_code"); raises ContractError when it is not documented so."""
        response = self.responses.get(answer.status)
        if response is None:
            raise ContractError(f"{self.id}: status {answer.status} is not documented; {answer.story}")
        faults = list(_response_faults(response, answer))
        code = answer.error_code
        if response.codes and code not in response.codes:
            faults.append(f"code {code!r} is none of {list(response.codes)}")
        if faults:
            raise ContractError(f"{self.id}: {'; '.join(faults)}; {answer.story}")
        return f"{answer.status} {code}" if response.codes else str(answer.status)

    @property
    def outcomes(self) -> frozenset[str]:
        """Every documented outcome, in the words of `check_response`."""
        return frozenset(
            outcome
            for response in self.responses.values()
            for outcome in (
                [f"{response.status} {code}" for code in response.codes] or [str(response.status)]
            )
        )


def _response_faults(response: Response, answer: Answer) -> Iterator[str]:
    for name, header in response.headers.items():
        value = answer.header(name)
        if value is not None:
            yield from header.faults(value)
        elif header.required:
            yield f"header {name} is missing"
    if response.content and answer.request.method != "HEAD":
        yield from _content_faults(response.content, answer.header("content-type"), answer.body)
    elif answer.body:
        yield "a body where none is documented"


def _content_faults(
    content: Mapping[str, Schema | None], content_type: str | None, body: bytes
) -> Iterator[str]:
    exact = _media_type(content_type or "")
    media_type = exact.partition(";")[0]
    if exact not in content and media_type not in content:
        yield f"content type {content_type!r} is none of {sorted(content)}"
        return
    schema = content[exact] if exact in content else content[media_type]
    if schema is None:
        return
    try:
        value = loads_strictly(body) if _JSON.match(media_type) else body.decode("utf-8")
    except ValueError as error:
        yield f"the body is not {media_type}: {error}"
        return
    yield from schema.faults(value)


def _media_type(text: str) -> str:
    """A media type with its parameters, in one spelling."""
    return text.replace(" ", "").lower()


class Contract:
    """One published document; `name` is how reports call it."""

    def __init__(self, name: str, document: Mapping[str, Any]) -> None:
        self.name = name
        self._document = document
        self.operations: Mapping[str, Operation] = {
            operation.id: operation
            for template, item in document.get("paths", {}).items()
            for method in METHODS
            if method in item
            for operation in [self._operation(template, method, item)]
        }
        if not self.operations:
            raise ContractFileError(f"{name}: no operation is documented")

    @classmethod
    @functools.cache
    def load(cls, name: str, path: Path) -> "Contract":
        """Reads `path` once a process. Raises ContractFileError naming the file and what is wrong with it."""
        document = yamlfile.load(path)
        if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3.1"):
            raise ContractFileError(f"{path}: not an OpenAPI 3.1 document")
        return cls(name, document)

    def operation(self, operation_id: str) -> Operation:
        """The operation of that id; raises ContractFileError naming those that there are."""
        try:
            return self.operations[operation_id]
        except KeyError:
            raise ContractFileError(
                f"{self.name} documents no operation {operation_id!r}, only {sorted(self.operations)}"
            ) from None

    def extension(self, name: str) -> Any:
        """What the document says beyond OpenAPI, under a key such as `x-commands` (OpenAPI 3.1, 4.9)."""
        try:
            return self._document[name]
        except KeyError:
            raise ContractFileError(f"{self.name} has no {name}") from None

    def allowed(self, path: str) -> frozenset[str]:
        """The upper-case methods documented for `path`."""
        return frozenset(o.method.upper() for o in self.operations.values() if o.pattern.fullmatch(path))

    def _resolve(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            reference = node["$ref"]
            if not reference.startswith("#/"):
                raise ContractFileError(f"{self.name}: reference {reference!r} leaves the document")
            node = self._document
            for part in reference[2:].split("/"):
                node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def _operation(self, template: str, method: str, item: Mapping[str, Any]) -> Operation:
        spec = item[method]
        body = self._resolve(spec.get("requestBody"))
        raw = [
            self._resolve(parameter)
            for parameter in (*item.get("parameters", ()), *spec.get("parameters", ()))
        ]
        try:
            return Operation(
                id=spec["operationId"],
                method=method,
                template=template,
                pattern=re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template))),
                parameters=tuple(self._parameter(p["name"], p["in"], p) for p in raw),
                body=None if body is None else self._content(body),
                body_required=bool(body and body.get("required")),
                # `default` describes a defect of the service (500): no test may take one for an answer.
                responses={
                    int(status): self._response(int(status), response)
                    for status, response in spec["responses"].items()
                    if status != "default"
                },
            )
        except (KeyError, ValueError) as error:
            raise ContractFileError(f"{self.name}: {method.upper()} {template}: {error!r}") from error

    def _parameter(self, name: str, place: str, spec: Mapping[str, Any]) -> Parameter:
        schema = spec.get("schema", {})
        kind = self._resolve(schema).get("type", "string")
        required = place == "path" or bool(spec.get("required"))
        return Parameter(name, place, required, Schema(schema, self._document), kind)

    def _content(self, spec: Mapping[str, Any]) -> Mapping[str, Schema | None]:
        return {
            _media_type(media_type): Schema(value["schema"], self._document) if "schema" in value else None
            for media_type, value in spec.get("content", {}).items()
        }

    def _response(self, status: int, node: Any) -> Response:
        spec = self._resolve(node)
        headers = {
            name: self._parameter(name, "header", self._resolve(header))
            for name, header in spec.get("headers", {}).items()
        }
        codes = spec.get("x-error-codes") or node.get("x-error-codes")
        if codes is None:
            schemas = [value.get("schema", {}) for value in spec.get("content", {}).values()]
            codes = [code for schema in schemas for code in self._codes(schema)]
        return Response(status, self._content(spec), headers, tuple(dict.fromkeys(codes)))

    def _codes(self, schema: Any) -> Iterator[str]:
        """The values an error schema allows for `error.code`, through references and allOf."""
        for error in self._property(schema, "error"):
            for node in self._property(error, "code"):
                code = self._resolve(node)
                yield from code.get("enum", [code["const"]] if "const" in code else [])

    def _property(self, schema: Any, name: str) -> Iterator[Any]:
        schema = self._resolve(schema)
        if name in schema.get("properties", {}):
            yield schema["properties"][name]
        for part in schema.get("allOf", ()):
            yield from self._property(part, name)
