"""The list of guarantees is complete: each has its tests, and every test that it names is there."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GUARANTEES = tomllib.loads((HERE.parent / "guarantees.toml").read_text(encoding="utf-8"))
NAMED = re.compile(r"(?P<file>[\w/]+_test\.py)::(?P<test>test_\w+)(?:\[(?P<case>\w+)\])?")


@cache
def module(file: str) -> ast.Module:
    return ast.parse((HERE / file).read_text(encoding="utf-8"))


@cache
def words(file: str) -> frozenset[str]:
    """Every word that a test module has in its strings: cases, and the names of inner tests."""
    strings = (node.value for node in ast.walk(module(file)) if isinstance(node, ast.Constant))
    return frozenset(word for text in strings if isinstance(text, str) for word in re.findall(r"\w+", text))


@pytest.mark.parametrize("name", GUARANTEES)
def test_every_guarantee_has_tests_that_are_there(name: str) -> None:
    guarantee = GUARANTEES[name]
    assert set(guarantee) == {"promise", "tests"}
    assert guarantee["promise"]
    assert guarantee["tests"]
    for named in guarantee["tests"]:
        match = NAMED.fullmatch(named)
        assert match, named
        functions = {node.name for node in module(match["file"]).body if isinstance(node, ast.FunctionDef)}
        assert match["test"] in functions, named
        assert match["case"] is None or match["case"] in words(match["file"]), named


def test_every_broken_promise_belongs_to_a_guarantee() -> None:
    listed = {test for guarantee in GUARANTEES.values() for test in guarantee["tests"]}
    (broken,) = (
        node
        for node in module("environment_test.py").body
        if isinstance(node, ast.FunctionDef) and node.name == "test_a_broken_promise_is_red"
    )
    (decorator,) = broken.decorator_list
    cases = [str(node.value) for node in ast.walk(decorator) if isinstance(node, ast.Constant)]
    inner = [case for case in cases if case.startswith("test_") and case not in SUNDRY]
    names = {f"environment_test.py::test_a_broken_promise_is_red[{case}]" for case in inner}
    assert names
    assert names <= listed


SUNDRY = ("test_body_fails_first", "test_name_is_taken")
"""Broken on purpose to look at how it is told, not for a promise of their own."""


def test_no_helper_finds_a_free_port() -> None:
    finder = re.compile(r"(free|unused|random|available|find|pick|get)_?\w*port\b|\w*port_?(finder|picker)")
    found = [
        f"{path.name}: {node.name}"
        for path in HERE.rglob("*.py")
        if not path.name.endswith("_test.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and finder.fullmatch(node.name.lower())
    ]
    assert found == []
