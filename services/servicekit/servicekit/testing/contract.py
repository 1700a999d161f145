"""A service's published contract: that it is whole and current, and that answers keep to it."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import yaml

from servicekit.http import JSON
from servicekit.openapi import Publication, Schema


class Validator(Protocol):
    """What jsonschema-rs makes of a schema."""

    def validate(self, instance: Any) -> None:
        """Raise for an instance that does not fit."""


class Contract:
    """Holds answers to a document. ``compile`` is the JSON Schema library's: ``jsonschema_rs.validator_for``."""

    def __init__(self, document: Schema, compile: Callable[[Schema], Validator]) -> None:
        self._document = document
        self._compile = compile
        self._compiled: dict[tuple[str, str, str], Validator] = {}

    def check(self, method: str, target: str, status: int, answer: Any) -> None:
        """Hold an answer to its operation: the status, the schema, an error's code.

        What is not published must be refused. Raises AssertionError or the library's error.
        """
        method = method.lower()
        template = self._template(method, target.partition("?")[0])
        if template is None:
            refused = (status, answer["error"]["code"])
            _expect(
                refused in {(404, "not_found"), (405, "method_not_allowed")},
                f"{method} {target} is not published, and was answered by {refused}",
            )
            return
        responses = self._document["paths"][template][method]["responses"]
        key = str(status) if str(status) in responses or status < 400 else "default"
        _expect(key in responses, f"{method} {target} has no published answer {status}: {answer}")
        if status >= 400:
            code, codes = answer["error"]["code"], responses[key]["x-error-codes"]
            _expect(
                code in codes, f"{method} {target} was answered by {status} {code}, published are {codes}"
            )
        self._validator(template, method, key).validate(answer)

    def _template(self, method: str, path: str) -> str | None:
        given = path.split("/")
        found = [
            template
            for template, operations in self._document["paths"].items()
            if method in operations and _fits(given, template.split("/"))
        ]
        return min(found, key=lambda template: template.count("{"), default=None)

    def _validator(self, template: str, method: str, status: str) -> Validator:
        key = (template, method, status)
        if key not in self._compiled:
            response = self._document["paths"][template][method]["responses"][status]
            schema = {**response["content"][JSON]["schema"], "components": self._document["components"]}
            self._compiled[key] = self._compile(schema)
        return self._compiled[key]


def _fits(given: Sequence[str], wanted: Sequence[str]) -> bool:
    return len(given) == len(wanted) and all(
        (want.startswith("{") and bool(have)) or want == have
        for have, want in zip(given, wanted, strict=True)
    )


def check_file(published: Publication) -> None:
    """Check that the published file is what the code says. Raises AssertionError with the remedy."""
    _expect(
        published.path.read_text(encoding="utf-8") == published.text(),
        f"{published.path} is not what the code says (run `{published.command} > api/openapi.yaml`)",
    )


def check_operations(published: Publication) -> None:
    """Check that the published file has every operation with its error codes, and no other. Raises AssertionError."""
    paths = yaml.load(published.path.read_text(encoding="utf-8"), yaml.CSafeLoader)["paths"]
    listed = {
        (method.upper(), path, operation["operationId"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    served = {(operation.method, operation.path, operation.id) for operation in published.operations}
    _expect(listed == served, f"published only: {listed - served}; served only: {served - listed}")
    for operation in published.operations:
        responses = paths[operation.path][operation.method.lower()]["responses"]
        for status, codes in operation.errors.items():
            missing = set(codes) - set(responses[str(status)]["x-error-codes"])
            _expect(not missing, f"{operation.id}, {status}: {missing} are not published")


def check_patterns(*documents: object, samples: Sequence[str], partial: tuple[str, ...] = ()) -> None:
    """Check that no pattern takes a line's end after a text that it takes: `$` alone does (ECMA-262 and PCRE differ in it).

    Each pattern must take one of the samples. Those that begin as one of ``partial`` are for the beginning of a text only.
    Raises AssertionError with the pattern.
    """
    found = patterns(*documents)
    _expect(len(found) > 10, f"only these patterns were found: {found}")
    for pattern in found:
        if partial and pattern.startswith(partial):
            continue
        fitting = [sample for sample in samples if re.search(pattern, sample)]
        _expect(bool(fitting), f"no sample fits {pattern} (add one)")
        through = [sample for sample in fitting if re.search(pattern, f"{sample}\n")]
        _expect(not through, f"{pattern} takes a line's end after {through}")


def patterns(*documents: object) -> list[str]:
    """Give every pattern of some documents."""
    return [pattern for document in documents for pattern in _patterns(document)]


def _patterns(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(pattern := node.get("pattern"), str):
            yield pattern
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _patterns(item)


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise AssertionError(otherwise)
