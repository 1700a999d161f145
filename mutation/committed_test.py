"""Every mutant in the tree fits the present sources, is Python, and belongs to a suite; every killer is a test that is there."""

import ast
import functools
from collections import Counter
from pathlib import Path

import pytest

import killers
import mutant
import patch
import suites
from mutant import Mutant

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MUTANTS = mutant.load_all(HERE / "mutants")
SUITES = suites.load(HERE / suites.FILE, ROOT)
LEAST = 40


@pytest.mark.parametrize("each", MUTANTS, ids=str)
def test_a_mutant_fits_the_present_sources_and_is_python(each: Mutant) -> None:
    for name, hunks in each.patch.items():
        path = ROOT / "services" / name
        mutated = patch.apply(name, path.read_text(encoding="utf-8"), hunks)
        assert ast.dump(ast.parse(mutated, name)) != ast.dump(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("each", MUTANTS, ids=str)
def test_a_mutant_names_a_suite_that_touches_its_service(each: Mutant) -> None:
    (suite,) = [suite for suite in SUITES if suite.path == each.boundary]
    assert suite.touches(each.service)


def test_there_are_enough_of_every_service() -> None:
    services = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
    counted = Counter(each.service for each in MUTANTS)
    assert counted.keys() == services
    assert min(counted.values()) >= 4
    assert counted.total() >= LEAST


def test_no_two_mutants_say_the_same() -> None:
    assert [text for text, number in Counter(each.breaks for each in MUTANTS).items() if number > 1] == []


def test_every_killer_is_a_test_of_a_suite_that_touches_its_mutant() -> None:
    known, wrong = {each.id: each for each in MUTANTS}, []
    for name, test in killers.load(HERE / killers.FILE).items():
        suite = suites.suite_of(SUITES, test)
        if (
            name not in known
            or suite is None
            or not suite.touches(known[name].service)
            or not _is_there(test)
        ):
            wrong.append(f"{name}: {test}")
    assert wrong == []


def _is_there(test: str) -> bool:
    file, _, function = test.partition("::")
    return function.partition("[")[0] in _functions(ROOT / file)


@functools.cache
def _functions(file: Path) -> set[str]:
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_suite_that_drives_services_is_among_those_that_mutants_meet() -> None:
    shared = {"harness", "contracts", "house"}
    folders = {path.parent.name for path in ROOT.glob("integration/*/conftest.py")} - shared
    assert {suite.name for suite in SUITES} == folders
