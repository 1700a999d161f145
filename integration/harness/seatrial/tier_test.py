"""Tests of reading tiers.toml: what it says, and each way in which it may be wrong."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from seatrial import tier
from seatrial.tier import Lane, TierError, Trigger

GOOD = """
[environment.suite]
install = ["harness"]
plugins = ["seatrial.plugin"]

[tier.quick]
purpose = "the suites"
triggers = ["push", "nightly"]
budget = "60 s"
skips = 2
capabilities = { ipv6 = ["ci"], "python3.12" = [] }

[[tier.quick.run]]
environment = "suite"
paths = ["suites"]
exclude = ["suites/slow"]
markers = "not real"
workers = 2

[tier.full]
purpose = "everything"
triggers = ["manual"]
budget = "2 h"
includes = ["quick"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / tier.FILE_NAME
    path.write_text(GOOD)
    return path


def test_everything_in_the_file_is_read(file: Path) -> None:
    tiers = tier.load(file)
    assert [each.name for each in tiers] == ["quick", "full"]
    assert tiers.root == file.parent
    quick = tiers["quick"]
    assert (quick.purpose, quick.budget, quick.skips) == ("the suites", 60, 2)
    assert quick.triggers == {Trigger.PUSH, Trigger.NIGHTLY}
    assert quick.capabilities == {"ipv6": {Lane.CI}, "python3.12": set()}
    assert quick.runs == (
        tier.Run(
            environment="suite", paths=("suites",), exclude=("suites/slow",), markers="not real", workers=2
        ),
    )
    assert (tiers["full"].includes, tiers["full"].budget) == (("quick",), 7200)
    environment = tiers.environments["suite"]
    assert (environment.lock, environment.install) == ("requirements/suite.txt", ("harness",))
    assert environment.plugins == ("seatrial.plugin",)


def test_a_run_may_be_a_program_that_is_no_pytest(file: Path) -> None:
    file.write_text(
        GOOD.replace(GOOD[GOOD.index("paths =") : GOOD.index("[tier.full]")], 'command = ["gate.py", "-v"]\n')
    )
    (run,) = tier.load(file)["quick"].runs
    assert (run.command, run.paths) == (("gate.py", "-v"), ())
    assert not run.owns(PurePosixPath("gate.py"))


def test_a_trigger_starts_the_tiers_that_name_it(file: Path) -> None:
    tiers = tier.load(file)
    assert [each.name for each in tiers.triggered_by(Trigger.NIGHTLY)] == ["quick"]
    assert [each.name for each in tiers.triggered_by(Trigger.MANUAL)] == ["full"]


def test_a_test_file_belongs_to_the_tier_that_runs_it_and_not_to_one_that_includes_it(file: Path) -> None:
    tiers = tier.load(file)
    assert [each.name for each in tiers.owners(PurePosixPath("suites/a_test.py"))] == ["quick"]
    assert tiers.owners(PurePosixPath("suites/slow/a_test.py")) == ()
    assert tiers.owners(PurePosixPath("suites_of_others/a_test.py")) == ()


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("suites/a_test.py", ("suites/a_test.py",)),
        ("suites", ("suites",)),
        (".", ("suites",)),
        ("suites/slow", ()),
        ("other", ()),
    ],
)
def test_a_run_knows_its_part_of_a_path(path: str, part: tuple[str, ...], file: Path) -> None:
    assert tier.load(file)["quick"].runs[0].within(PurePosixPath(path)) == part


def test_a_capability_is_mandatory_in_the_lanes_that_name_it(file: Path) -> None:
    quick = tier.load(file)["quick"]
    assert quick.mandatory("ipv6", Lane.CI)
    assert not quick.mandatory("ipv6", Lane.LOCAL)
    assert not quick.mandatory("docker", Lane.CI)


@pytest.mark.parametrize(
    ("value", "lane"),
    [
        (None, Lane.LOCAL),
        ("", Lane.LOCAL),
        ("0", Lane.LOCAL),
        ("False", Lane.LOCAL),
        ("true", Lane.CI),
        ("1", Lane.CI),
    ],
)
def test_the_lane_follows_the_variable_that_every_ci_sets(value: str | None, lane: Lane) -> None:
    assert Lane.current({} if value is None else {"CI": value}) is lane


def test_the_file_is_found_from_any_folder_below(file: Path, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert tier.find(deep) == file
    file.unlink()
    assert tier.find(deep) is None


def test_the_table_has_one_row_for_each_tier(file: Path) -> None:
    quarantined = [PurePosixPath("suites/a_test.py")] * 2 + [PurePosixPath("suites/slow/b_test.py")]
    assert tier.table(tier.load(file), quarantined).splitlines()[2:] == [
        "| `quick` | the suites | push, nightly | 60 s | 2 | 2 |",
        "| `full` | everything | manual | 2 h | 0 | 0 |",
    ]


@pytest.mark.parametrize(
    ("old", "new", "key", "reason"),
    [
        ('purpose = "the suites"', "", "tier.quick.purpose", "missing"),
        ('purpose = "the suites"', "purpose = 7", "tier.quick.purpose", "not a text"),
        ('purpose = "the suites"', 'purpose = "a | b"', "tier.quick.purpose", "a |"),
        ('budget = "60 s"', 'budget = "60s"', "tier.quick.budget", "'60s' is not a duration"),
        ('budget = "60 s"', 'budget = "0 s"', "tier.quick.budget", "'0 s' is not a duration"),
        ('budget = "60 s"', "budget = 60", "tier.quick.budget", "not a text"),
        ("skips = 2", "skips = -1", "tier.quick.skips", "-1 is not a whole number"),
        ("skips = 2", "skips = true", "tier.quick.skips", "True is not a whole number"),
        ("skips = 2", "skip = 2", "tier.quick.skip", "unknown key"),
        ("workers = 2", "worker = 2", "tier.quick.run[0].worker", "unknown key"),
        ("workers = 2", 'workers = "auto"', "tier.quick.run[0].workers", "'auto' is not a whole number"),
        ('paths = ["suites"]', "", "tier.quick.run[0].paths", "missing"),
        (
            'paths = ["suites"]',
            'command = ["gate.py"]',
            "tier.quick.run[0].command",
            "beside what is for pytest",
        ),
        ('paths = ["suites"]', 'paths = "suites"', "tier.quick.run[0].paths", "not a list of texts"),
        ('paths = ["suites"]', 'paths = ["suites", "suites"]', "tier.quick.run[0].paths", "listed twice"),
        ('paths = ["suites"]', 'paths = ["../suites"]', "tier.quick.run[0].paths", "not a plain path"),
        ('paths = ["suites"]', 'paths = ["/suites"]', "tier.quick.run[0].paths", "not a plain path"),
        (
            'environment = "suite"',
            'environment = "other"',
            "tier.quick.run[0].environment",
            "no environment 'other'",
        ),
        ('["push", "nightly"]', "[]", "tier.quick.triggers", "missing"),
        ('["push", "nightly"]', '["weekly"]', "tier.quick.triggers", "'weekly' is not known"),
        ('["push", "nightly"]', '["push", "manual"]', "tier.quick.triggers", "manual beside another"),
        ('ipv6 = ["ci"]', 'ipv6 = ["laptop"]', "tier.quick.capabilities.ipv6", "'laptop' is not known"),
        ('ipv6 = ["ci"]', "ipv6 = true", "tier.quick.capabilities.ipv6", "not a list of texts"),
        ('includes = ["quick"]', 'includes = ["slow"]', "tier.full.includes", "no other tier 'slow'"),
        ('includes = ["quick"]', 'includes = ["full"]', "tier.full.includes", "no other tier 'full'"),
        ('install = ["harness"]', 'instal = ["harness"]', "environment.suite.instal", "unknown key"),
        ("[tier.full]", "[tier.Full]", "tier.Full", "not a good name"),
        ("[tier.full]", "[tiers.full]", "tiers", "unknown key"),
        ("[tier.full]", "[tier.quick]", "syntax", "quick"),
        ("[[tier.quick.run]]", "[tier.quick.run]", "tier.quick.run", "not an array of tables"),
        ("skips = 2", "skips = 2\nskips = 3", "syntax", "overwrite"),
        ("skips = 2", "skips = ", "syntax", "Invalid value"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_reason_and_remedy(
    file: Path, old: str, new: str, key: str, reason: str
) -> None:
    assert old in GOOD
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(TierError) as caught:
        tier.load(file)
    assert caught.value.key == key
    assert reason in caught.value.reason
    assert caught.value.remedy
    assert str(caught.value) == f"{file}: {key}: {caught.value.reason} ({caught.value.remedy})"
    assert "\n" not in str(caught.value)


def test_tiers_do_not_include_in_chains(file: Path) -> None:
    file.write_text(
        GOOD + '[tier.all]\npurpose = "p"\ntriggers = ["manual"]\nbudget = "1 h"\nincludes = ["full"]\n'
    )
    with pytest.raises(TierError, match=r"tier.all.includes: 'full' includes others itself"):
        tier.load(file)


def test_a_file_without_tiers_a_missing_and_an_unreadable_one_are_named(tmp_path: Path) -> None:
    file = tmp_path / tier.FILE_NAME
    with pytest.raises(TierError, match="No such file"):
        tier.load(file)
    file.write_text("")
    with pytest.raises(TierError, match="describes no tier"):
        tier.load(file)
    file.write_bytes(b"\xff")
    with pytest.raises(TierError, match="not UTF-8 at byte 0"):
        tier.load(file)


def test_an_unknown_tier_is_answered_with_the_known_ones(file: Path) -> None:
    with pytest.raises(TierError, match=r"tier.slow: no such tier \(known: quick, full\)"):
        tier.load(file)["slow"]


def test_reading_needs_the_standard_library_alone() -> None:
    source = Path(tier.__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-S", "-c", "import seatrial.tier"],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
