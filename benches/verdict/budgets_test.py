"""Every metric has a budget, and a wrong file is refused by name."""

from pathlib import Path

import pytest

from verdict.budgets import Budget, BudgetError, load
from verdict.catalog import METRICS, Metric
from verdict.inference import Interval, Quantile

TIME = Metric(name="wait", group="g", title="t", rig="boots", samples=1)
SIZE = Metric(name="size", group="g", title="t", rig="boots", samples=1, unit="bytes")
RIGHT = '[wait]\np50_ms = 10\np99_ms = 20\nreason = "r"\n[size]\nmax_mib = 2\nreason = "r"\n'


def quantile(value: float) -> Quantile:
    return Quantile(value, Interval(value, value))


def test_the_file_of_this_repository_covers_every_metric() -> None:
    assert load().keys() == {metric.name for metric in METRICS}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[wait]", "[weight]", r"\[weight\] is no metric \(one of: wait, size\)"),
        ('[size]\nmax_mib = 2\nreason = "r"\n', "", r"\[size\] is missing"),
        ("p99_ms = 20\n", "", r"\[wait\] must have exactly p50_ms, p99_ms, reason"),
        ("max_mib = 2", "p50_ms = 2", r"\[size\] must have exactly max_mib, reason"),
        ("p50_ms = 10", "p50_ms = 30", "p99_ms is below p50_ms"),
        ("max_mib = 2", "max_mib = -2", "max_mib must be a number above 0"),
        ("max_mib = 2", "max_mib = true", "max_mib must be a number above 0"),
        ('reason = "r"\n[size]', 'reason = " "\n[size]', r"\[wait\] needs a reason"),
        ("[wait]", "[wait", "budgets.toml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "budgets.toml"
    assert old in RIGHT
    path.write_text(RIGHT.replace(old, new, 1))
    with pytest.raises(BudgetError, match=words):
        load(path, (TIME, SIZE))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="budgets.toml: No such file"):
        load(tmp_path / "budgets.toml")


def test_what_is_over_is_said_with_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "budgets.toml"
    path.write_text(RIGHT)
    budgets = load(path, (TIME, SIZE))
    over = {50: quantile(11), 99: quantile(21)}
    assert budgets["wait"].misses(over, 30) == [
        "p50 11.0 ms is over the budget of 10 ms",
        "p99 21.0 ms is over the budget of 20 ms",
    ]
    assert budgets["wait"].misses({50: quantile(10)}, 10**6) == []
    assert budgets["size"].misses({50: quantile(1)}, 3 << 20) == ["3.0 MiB is over the budget of 2 MiB"]
    assert Budget("r").misses(over, 1) == []
