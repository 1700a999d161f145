"""Random order is the seed's alone: it can be repeated, in part as well, and keeps modules and classes together."""

import re
import shlex
from collections.abc import Callable
from itertools import groupby

import pytest

from seatrial.conftest import Inner
from seatrial.rules.order import place

NewInner = Callable[[str], Inner]

NODES = [
    f"suites/{module}_test.py::{owner}test_{number}[{case}]"
    for module in "abc"
    for owner in ("", "TestA::", "TestA::TestInner::", "TestB::")
    for number in range(4)
    for case in ("x::y", "[z]")
]


def shuffled(nodes: list[str], seed: int) -> list[str]:
    return sorted(nodes, key=lambda node: place(seed, node))


def test_it_follows_from_the_seed_alone() -> None:
    assert shuffled(NODES, 7) == shuffled(NODES[::-1], 7)
    assert len({tuple(shuffled(NODES, seed)) for seed in range(20)}) == 20
    assert NODES not in [shuffled(NODES, seed) for seed in range(20)]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_level_is_shuffled_and_kept_together(depth: int) -> None:
    def owner(node: str) -> tuple[str, ...]:
        return tuple(part for part in node.partition("[")[0].split("::")[:depth] if "test_" not in part[:5])

    orders = set()
    for seed in range(20):
        owners = [name for name, _ in groupby(shuffled(NODES, seed), owner)]
        whole = [name for name in owners if len(name) == depth]
        assert len(whole) == len(set(whole))
        orders.add(tuple(owners))
    assert len(orders) > 3


def test_a_part_keeps_the_order_of_the_whole() -> None:
    part = NODES[::3]
    assert shuffled(part, 7) == [node for node in shuffled(NODES, 7) if node in part]


TESTS = """
import pytest

@pytest.fixture(scope="module")
def once():
    print("made once")

@pytest.mark.parametrize("n", range(6))
def test_a(n, once): ...

class TestSome:
    def test_b(self): ...
    def test_c(self): ...
    def test_d(self): ...
"""
LINE = re.compile(r"^(\w+_test\.py::\S+) PASSED", re.MULTILINE)


def ran_in(inner: Inner, *arguments: str) -> list[str]:
    run = inner.run("-v", *arguments)
    assert run.status == 0, run.output
    return LINE.findall(run.output)


@pytest.fixture(scope="module")
def inner(new_inner: NewInner) -> Inner:
    inner = new_inner(TESTS)
    inner.write("other_test.py", TESTS)
    return inner


def test_tests_run_as_they_stand_unless_told_otherwise(inner: Inner) -> None:
    order = ran_in(inner)
    assert order[0] == "inner_test.py::test_a[0]"
    assert order[-1] == "other_test.py::TestSome::test_d"
    assert len(order) == 18


def test_a_run_in_random_order_is_repeated_by_its_seed(inner: Inner) -> None:
    first = ran_in(inner, "--seatrial-order=random", "--seatrial-seed=7")
    assert first == ran_in(inner, "--seatrial-order=random", "--seatrial-seed=7")
    assert first == shuffled(ran_in(inner), 7)
    assert first != ran_in(inner, "--seatrial-order=random", "--seatrial-seed=8")
    assert ran_in(inner, "--seatrial-order=random", "--seatrial-seed=7", "-k", "test_a and not 3") == [
        node for node in first if "test_a" in node and "3" not in node
    ]


STATEFUL = """
seen = []

def test_a():
    seen.append("a")

def test_b():
    assert seen
"""


def seed_that_puts(first: str, then: str) -> int:
    nodes = [f"inner_test.py::{name}" for name in (first, then)]
    return next(seed for seed in range(100) if shuffled(nodes, seed) == nodes)


def test_a_test_that_needs_its_predecessor_is_red_and_its_run_can_be_repeated(new_inner: NewInner) -> None:
    inner = new_inner(STATEFUL)
    assert inner.run().status == 0
    seed = seed_that_puts("test_b", "test_a")
    run = inner.run("--seatrial-order=random", "--seatrial-seed", str(seed))
    assert run.status == 1
    assert f"seed {seed}, random order" in run.output
    repro = (run.artifacts("test_b") / "REPRO.txt").read_text()
    (whole,) = (line for line in repro.splitlines() if line.startswith("# ") and " -m pytest " in line)
    assert f"--seatrial-order=random --seatrial-seed={seed}" in whole
    again = inner.run(*shlex.split(whole.partition(" -m pytest ")[2]))
    assert [failure.nodeid for failure in again.result.failures] == ["inner_test.py::test_b"]


@pytest.mark.parametrize("order", ["backwards", ""])
def test_an_order_that_is_not_known_is_a_users_mistake(inner: Inner, order: str) -> None:
    run = inner.run(f"--seatrial-order={order}")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "--seatrial-order: invalid choice" in run.output


def test_workers_agree_on_the_order(inner: Inner) -> None:
    run = inner.run("-n2", "--seatrial-order=random", "--seatrial-seed=7", plugins=["xdist.plugin"])
    assert (run.status, run.result.counts.passed) == (0, 18), run.output
