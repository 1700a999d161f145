"""quarantine.toml can be read, nothing in it is over, and each entry is of a test that the harness' plugin runs."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from seatrial import tier
from seatrial.rules import quarantine
from seatrial.rules.quarantine import Quarantine
from seatrial.tier import Tiers

ROOT: Final = Path(__file__).parents[2]
TIERS: Final = tier.load(ROOT / tier.FILE_NAME)
PLUGIN: Final = "seatrial.plugin"


def over(entries: Iterable[Quarantine], today: date | None = None) -> list[str]:
    """The entries whose day is past, so that they are seen even where their tier does not run."""
    return [
        f"{entry.test}: {entry} is over (mend the test and remove the entry)"
        for entry in entries
        if entry.over(today)
    ]


def in_vain(entries: Iterable[Quarantine], tiers: Tiers) -> list[str]:
    """The entries of tests that run without the plugin: these fail all the same."""
    runs = [
        run for each in tiers for run in each.runs if PLUGIN in tiers.environments[run.environment].plugins
    ]
    return [
        f"{entry.test}: nothing runs it with {PLUGIN}, which knows of quarantine (remove the entry)"
        for entry in entries
        if not any(run.owns(entry.file) for run in runs)
    ]


def test_no_quarantine_is_over_and_none_is_in_vain() -> None:
    entries = quarantine.load(ROOT / quarantine.FILE_NAME).entries
    assert over(entries) + in_vain(entries, TIERS) == []


def entry(test: str, until: str = "2030-06-30") -> Quarantine:
    return Quarantine(test=test, reason="x", link="https://x.test", until=date.fromisoformat(until))


def test_one_that_is_over_is_named_from_the_next_day_on() -> None:
    entries = [entry("a_test.py", "2030-06-29"), entry("b_test.py")]
    (said,) = over(entries, date(2030, 6, 30))
    assert said.startswith("a_test.py: quarantined until 2030-06-29: x (https://x.test) is over")


@pytest.mark.parametrize(
    ("test", "vain"),
    [
        ("services/gateway/gateway/admission_test.py::test_a", True),
        ("integration/gateway_authsession/replay_test.py::test_a", False),
        ("integration/house/tree_test.py", False),
    ],
)
def test_one_without_effect_is_named(test: str, vain: bool) -> None:
    assert (ROOT / entry(test).file).is_file()
    said = in_vain([entry(test)], TIERS)
    assert [line.partition(":")[0] for line in said] == ([test.partition(":")[0]] if vain else [])
