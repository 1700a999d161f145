"""A session is planned so that a verdict can come of it."""

from pathlib import Path

import pytest

from seatrial.rules.capability import Absence
from verdict.catalog import BY_NAME, METRICS, choose, hypotheses
from verdict.judgement import LEVEL
from verdict.session import plan

TIERS = """
[environment.bench]

[tier.bench]
purpose = "p"
triggers = ["nightly"]
budget = "1 min"
capabilities = {{ docker = {lanes} }}

[[tier.bench.run]]
environment = "bench"
paths = ["benches"]
"""


def nothing_missing(_name: str) -> None:
    return None


def no_engine(name: str) -> Absence:
    return Absence(name, "nothing answers", "start one")


@pytest.mark.parametrize("quick", [True, False])
def test_there_are_epochs_enough_for_every_metric_to_be_found_slower(quick: bool) -> None:
    planned = plan(choose(quick=quick), absence=nothing_missing)
    assert 2 / 2**planned.epochs * hypotheses(planned.metrics) <= LEVEL
    assert planned.refused == ()
    assert planned.capabilities == (() if quick else ("docker",))


@pytest.mark.parametrize("mandatory", [True, False])
def test_without_an_engine_its_metrics_are_refused_and_red_where_the_tier_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mandatory: bool
) -> None:
    monkeypatch.setenv("CI", "")
    (tmp_path / "tiers.toml").write_text(TIERS.format(lanes='["local"]' if mandatory else '["ci"]'))
    planned = plan(METRICS, root=tmp_path, absence=no_engine)
    assert {each.metric.name for each in planned.refused} == {
        metric.name for metric in METRICS if metric.capability == "docker"
    }
    assert all(each.verdict == "refused" and each.red is mandatory for each in planned.refused)
    assert "nothing answers" in planned.refused[0].reason
    assert len(planned.metrics) + len(planned.refused) == len(METRICS)
    assert planned.capabilities == ()


def test_in_this_repository_the_engine_is_mandatory(monkeypatch: pytest.MonkeyPatch) -> None:
    for lane in ("", "true"):
        monkeypatch.setenv("CI", lane)
        (refused,) = plan([BY_NAME["job_start"]], absence=no_engine).refused
        assert refused.red


def test_samples_are_spread_over_the_epochs_in_whole_blocks() -> None:
    planned = plan(
        choose(["command", "job_start", "memory_rest_lobby"]), samples=200, absence=nothing_missing
    )
    by_name = {metric.name: metric for metric in planned.metrics}
    for name in ("command", "job_start"):
        metric = by_name[name]
        assert 200 <= metric.samples * planned.epochs < 200 + metric.pairs * planned.epochs * 2
        assert metric.samples % metric.pairs == 0
    assert by_name["memory_rest_lobby"].samples == 1
