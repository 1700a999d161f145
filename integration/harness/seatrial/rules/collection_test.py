"""Each way to make a test vanish or to repeat it until it is green, and the red that it gets instead."""

from collections.abc import Callable

import pytest

from seatrial.conftest import Inner, InnerRun

NOT_COLLECTED = {
    "bare_call": ("import pytest\ndef test_a():\n    pytest.skip('later')\n", "3: bare pytest.skip()"),
    "mark": ("import pytest\n@pytest.mark.skip(reason='x')\ndef test_a(): ...\n", "bare @pytest.mark.skip"),
    "condition": (
        "import pytest\n@pytest.mark.skipif('1 > 0', reason='x')\ndef test_a(): ...\n",
        "bare @pytest.mark.skipif",
    ),
    "unittest": (
        "import unittest\n@unittest.skip('x')\nclass Test(unittest.TestCase):\n    def test_a(self): ...\n",
        "bare unittest.skip",
    ),
    "import": (
        "import pytest\npytest.importorskip('no_such_module')\ndef test_a(): ...\n",
        "bare skip: could not import",
    ),
    "module": ("import pytest\npytest.skip('x', allow_module_level=True)\n", "bare skip: x"),
    "hidden": ("from hidden import skipped\n@skipped\ndef test_a(): ...\n", "bare @pytest.mark.skip"),
    "empty": (
        "import pytest\n@pytest.mark.parametrize('n', [])\ndef test_a(n): ...\n",
        "its set of parameters is empty (a test that never runs",
    ),
    "lenient": (
        "import pytest\n@pytest.mark.xfail(reason='x')\ndef test_a(): ...\n",
        "xfail that is not strict (add strict=True)",
    ),
    "unexplained": (
        "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): ...\n",
        "xfail without a reason",
    ),
    "not_run": (
        "import pytest\n@pytest.mark.xfail(strict=True, reason='x', run=False)\ndef test_a(): ...\n",
        "xfail that does not run",
    ),
    "flaky": ("import pytest\n@pytest.mark.flaky(reruns=3)\ndef test_a(): ...\n", "retries are refused"),
    "unknown": (
        "import pytest\n@pytest.mark.requires('dokcer')\ndef test_a(): ...\n",
        "unknown capability 'dokcer' (use one of: browser, docker,",
    ),
    "nothing": ("import pytest\n@pytest.mark.requires\ndef test_a(): ...\n", "names no capability"),
}


@pytest.fixture(scope="module")
def uncollected(new_inner: Callable[[str], Inner]) -> InnerRun:
    inner = new_inner("def test_good(): ...\n")
    inner.write("hidden.py", "import pytest\nskipped = getattr(pytest.mark, 'sk' + 'ip')\n")
    for name, (source, _) in NOT_COLLECTED.items():
        inner.write(f"{name}_test.py", source)
    return inner.run("--continue-on-collection-errors", "-o", "markers=flaky: as a plugin has it")


@pytest.mark.parametrize("name", NOT_COLLECTED)
def test_a_test_that_breaks_a_rule_is_not_collected(uncollected: InnerRun, name: str) -> None:
    failure = uncollected.failure(f"{name}_test.py")
    assert failure.when == "collect"
    assert NOT_COLLECTED[name][1] in failure.message


def test_others_are_collected_still(uncollected: InnerRun) -> None:
    assert uncollected.passed == {"test_good"}
    assert uncollected.status != 0


RUNS = """
import os, unittest
import pytest
from seatrial.rules.capability import Capability, register

register(Capability(name="gold", purpose="riches", remedy="dig", probe=lambda: "the vault is empty"))
register(Capability(name="water", purpose="life", remedy="dig", probe=lambda: None))
register(Capability(name="broken", purpose="none", remedy="mend it", probe=lambda: 1 / 0))
leave = getattr(pytest, "sk" + "ip")

def test_skips_itself():
    leave("no time")

@pytest.fixture
def lazy():
    leave("not today")

def test_skipped_by_a_fixture(lazy): ...

class TestOld(unittest.TestCase):
    def test_skips_the_old_way(self):
        self.skipTest("tired")

@pytest.mark.requires("gold")
def test_needs_gold(): ...

@pytest.mark.requires("water")
def test_needs_water(): ...

@pytest.mark.requires("broken")
def test_needs_what_cannot_be_probed(): ...

@pytest.mark.requires("water")
class TestClass:
    @pytest.mark.requires("gold")
    def test_needs_both(self, environment): ...

@pytest.mark.xfail(strict=True, reason="https://tracker.test/1")
def test_known_to_fail():
    raise AssertionError

@pytest.mark.xfail(strict=True, reason="https://tracker.test/1")
def test_known_to_fail_but_passes(): ...
"""
TIERS = """
[environment.inner]
[tier.harbour]
purpose = "a tier"
triggers = ["push"]
budget = "1 min"
skips = {skips}
capabilities = {capabilities}
[[tier.harbour.run]]
environment = "inner"
paths = ["."]
"""


def tiers(skips: int, capabilities: str) -> str:
    return TIERS.replace("{skips}", str(skips)).replace("{capabilities}", capabilities)


@pytest.fixture(scope="module")
def ran(new_inner: Callable[[str], Inner]) -> InnerRun:
    return new_inner(RUNS).run()


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("test_skips_itself", "bare skip: no time (require a capability"),
        ("test_skipped_by_a_fixture", "bare skip: not today"),
        ("test_skips_the_old_way", "bare skip: tired"),
    ],
)
def test_a_skip_that_only_shows_when_it_runs_is_red(ran: InnerRun, test: str, reason: str) -> None:
    assert reason in ran.failure(test).message


def test_an_absent_capability_is_a_counted_skip_with_its_reason(ran: InnerRun) -> None:
    assert [(skip.capability, skip.reason, skip.count) for skip in ran.result.skips] == [
        ("gold", "the vault is empty", 2),
        ("broken", "its probe failed: ZeroDivisionError: division by zero", 1),
    ]
    assert "skipped    2 x gold: the vault is empty" in ran.output


def test_what_is_there_runs_and_a_known_failure_counts_as_such(ran: InnerRun) -> None:
    assert ran.passed == {"test_needs_water"}
    assert ran.result.counts.xfailed == 1
    assert "XPASS(strict)" in ran.failure("test_known_to_fail_but_passes").message


CAPABLE = """
import pytest
from seatrial.rules.capability import Capability, register
register(Capability(name="gold", purpose="riches", remedy="dig deeper", probe=lambda: "the vault is empty"))

@pytest.mark.requires("gold")
def test_needs_gold(): ...

def test_other(): ...
"""


@pytest.fixture
def capable(new_inner: Callable[[str], Inner]) -> Inner:
    return new_inner(CAPABLE)


def test_what_is_mandatory_in_a_lane_is_red_there_when_absent(capable: Inner) -> None:
    capable.write("tiers.toml", tiers(9, '{ gold = ["ci"] }'))
    run = capable.run("--seatrial-tier=harbour", variables={"CI": "true"}, tier="harbour")
    assert run.status == pytest.ExitCode.TESTS_FAILED
    failure = run.failure("test_needs_gold")
    assert failure.when == "setup"
    for said in ("the vault is empty", "remedy: dig deeper", "mandatory in tier harbour, lane ci"):
        assert said in failure.message

    elsewhere = capable.run("--seatrial-tier=harbour", tier="harbour")
    assert elsewhere.status == 0
    assert elsewhere.result.counts.skipped == 1


def test_more_skips_than_the_tier_allows_are_red(capable: Inner) -> None:
    capable.write("tiers.toml", tiers(0, "{ gold = [] }"))
    run = capable.run("--seatrial-tier=harbour", tier="harbour")
    assert run.status == pytest.ExitCode.TESTS_FAILED
    assert run.result.state == "failed"
    assert run.result.problems == (
        "1 tests were skipped, tier harbour allows 0 (provide the capabilities, or change skips in tiers.toml)",
    )
    assert "problem    1 tests were skipped" in run.output


def test_a_capability_that_the_tier_does_not_list_is_a_collection_error(capable: Inner) -> None:
    capable.write("tiers.toml", tiers(0, "{}"))
    run = capable.run("--seatrial-tier=harbour", tier="harbour")
    assert "tier harbour does not list the capability 'gold'" in run.failure("inner_test.py").message


def test_an_unknown_tier_is_one_line(capable: Inner) -> None:
    capable.write("tiers.toml", tiers(0, "{}"))
    run = capable.run("--seatrial-tier=port")
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "tier.port: no such tier (known: harbour)" in run.output
    assert "Traceback" not in run.output


def test_a_plugin_that_repeats_tests_is_refused(capable: Inner) -> None:
    capable.write("pytest_rerunfailures.py", '"""Stands for the one of that name."""\n')
    run = capable.run(plugins=["pytest_rerunfailures"])
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "pytest-rerunfailures is active: retries are refused" in run.output
