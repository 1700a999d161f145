"""What holds services to their contracts lets nothing else through."""

import re
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from servicekit.http import Operation
from servicekit.openapi import Publication, Schema
from servicekit.testing.contract import Contract, check_file, check_operations, check_patterns, patterns


class Thing(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z]+(?!\n)$")]


GET = Operation(
    id="get",
    method="GET",
    path="/things/{name}",
    summary="",
    response=Thing,
    errors={404: ("thing_not_found",)},
)
LATEST = Operation(id="latest", method="GET", path="/things/latest", summary="", response=Thing, status=203)


class Required:
    """As much of JSON Schema as is needed here: what a success must have."""

    def __init__(self, schema: Schema) -> None:
        name = schema["$ref"].rpartition("/")[2]
        self._required = set(schema["components"]["schemas"][name]["required"])

    def validate(self, instance: Any) -> None:
        if not self._required <= set(instance):
            raise ValueError("not as the schema says")


def published(folder: Path) -> Publication:
    (folder / "api").mkdir(exist_ok=True)
    module = ModuleSpec("things.openapi", None, origin=str(folder / "things" / "openapi.py"))
    return Publication(module=module, title="Things", description="", operations=[GET, LATEST])


def error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": ""}}


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    return Contract(published(tmp_path).document(), Required)


@pytest.mark.parametrize(
    ("method", "target", "status", "answer"),
    [
        ("GET", "/things/a", 200, {"name": "a"}),
        ("GET", "/things/a?b=c", 404, error("thing_not_found")),
        ("GET", "/things/a", 500, error("internal_error")),
        ("GET", "/things/latest", 203, {"name": "a"}),
        ("GET", "/nothing", 404, error("not_found")),
        ("GET", "/things/", 404, error("not_found")),
        ("POST", "/things/a", 405, error("method_not_allowed")),
    ],
)
def test_what_is_published_may_be_answered(
    contract: Contract, method: str, target: str, status: int, answer: Any
) -> None:
    contract.check(method, target, status, answer)


@pytest.mark.parametrize(
    ("method", "target", "status", "answer", "reason"),
    [
        ("GET", "/things/a", 201, {"name": "a"}, "no published answer 201"),
        ("GET", "/things/latest", 200, {"name": "a"}, "no published answer 200"),
        ("GET", "/things/a", 404, error("not_found"), "answered by 404 not_found"),
        ("GET", "/things/a", 502, error("bad_gateway"), "answered by 502 bad_gateway"),
        ("GET", "/nothing", 404, error("thing_not_found"), "is not published"),
        ("POST", "/things/a", 404, error("thing_not_found"), "is not published"),
    ],
)
def test_nothing_else_may(
    contract: Contract, method: str, target: str, status: int, answer: Any, reason: str
) -> None:
    with pytest.raises(AssertionError, match=reason):
        contract.check(method, target, status, answer)


def test_an_answer_is_held_to_its_schema(contract: Contract) -> None:
    with pytest.raises(ValueError, match="not as the schema says"):
        contract.check("GET", "/things/a", 200, {})


def test_a_file_that_is_not_what_the_code_says_is_told_with_the_remedy(tmp_path: Path) -> None:
    publication = published(tmp_path)
    publication.path.write_text(publication.text())
    check_file(publication)
    publication.path.write_text(publication.text() + "\n")
    with pytest.raises(AssertionError, match="run `python -m things.openapi > api/openapi.yaml`"):
        check_file(publication)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("operationId: latest", "operationId: last", "published only: .*'last'.*served only: .*'latest'"),
        ("- thing_not_found", "- nothing_found", "get, 404: {'thing_not_found'} are not published"),
    ],
)
def test_an_operation_that_is_published_otherwise_is_told(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    publication = published(tmp_path)
    publication.path.write_text(publication.text())
    check_operations(publication)
    publication.path.write_text(publication.text().replace(before, after))
    with pytest.raises(AssertionError, match=reason):
        check_operations(publication)


GOOD = [{"pattern": rf"^{letter}(?!\n)$"} for letter in "abcdefghijkl"]


def test_patterns_are_found_wherever_they_are() -> None:
    assert patterns({"a": [{"pattern": "x"}], "pattern": {"pattern": "y"}}, [{"pattern": "z"}]) == [
        "x",
        "y",
        "z",
    ]


def test_a_pattern_that_takes_a_line_end_is_told() -> None:
    check_patterns(GOOD, [{"pattern": "^half"}], samples="abcdefghijkl", partial=("^half",))
    with pytest.raises(AssertionError, match=re.escape("^z$ takes a line's end after ['z']")):
        check_patterns(GOOD, {"pattern": "^z$"}, samples="abcdefghijklz")
    with pytest.raises(AssertionError, match="no sample fits"):
        check_patterns(GOOD, samples="abc")
    with pytest.raises(AssertionError, match="only these patterns"):
        check_patterns(GOOD[:3], samples="abc")
