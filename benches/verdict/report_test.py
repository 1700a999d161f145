"""The same figures for a terminal, a CI job's page and a browser, and every sample as data."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from verdict import charts, outcome, report
from verdict.budgets import Budget
from verdict.catalog import BY_NAME
from verdict.comparison import Block, Samples
from verdict.judgement import Judged, judge, refuse
from verdict.proof import Comparison, write
from verdict.protocol import Reading
from verdict.trees import Tree

COMMAND, SIZE, JOB = BY_NAME["command"], BY_NAME["memory_rest_lobby"], BY_NAME["job_start"]
BUDGETS = {"command": Budget("r", p50=1000, p99=1000), "memory_rest_lobby": Budget("r", most=1)}
HEADING = report.Heading(
    names={"A": "v1 (c0ffee)", "B": "the <working> tree"},
    machine={"cores": 2, "kernel": "6", "python": "3.11"},
    seed=7,
    epochs=15,
    command="nox -s bench -- --against v1",
    seconds=61.0,
)


def measured(factor: float) -> Samples:
    rng = np.random.default_rng(5)
    samples, at = Samples(), 100.0
    for epoch in range(15):
        for metric, size in ((COMMAND, 10.0), (SIZE, 80.0 * 2**20)):
            for side in ("A", "B"):
                scale = size * (factor if side == "B" and metric is COMMAND else 1)
                values = scale * (1 + rng.exponential(0.1, metric.samples))
                readings = []
                for value in values:
                    at += 0.2
                    readings.append(Reading(float(value), {}, at))
                samples.blocks.append(
                    Block(metric.name, side, epoch, 0, len(samples.blocks), tuple(readings))
                )
    return samples


@pytest.fixture
def judged() -> list[Judged]:
    return [
        *judge(measured(1.5), [COMMAND, SIZE], BUDGETS, seed=1),
        refuse(JOB, "no engine | here", mandatory=False),
    ]


def test_each_metric_is_a_row_with_figures_difference_and_verdict(judged: list[Judged]) -> None:
    head, command, size, job = report.text(judged).splitlines()
    assert head.split() == [word for name in report.HEAD for word in name.split()]
    assert command.startswith("command ")
    assert "ms" in command
    assert command.endswith("slower")
    assert f"{judged[0].tested[0].effect.share:+.1%} [+" in command
    assert "MiB" in size
    assert "no evidence; OVER BUDGET" in size
    assert job.endswith("refused: no engine | here")


def test_the_page_of_a_ci_job_is_one_table_with_how_to_repeat_it(judged: list[Judged]) -> None:
    lines = report.markdown(judged, HEADING).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + len(judged)
    assert {row.count("|") for row in rows} == {len(report.HEAD) + 1}
    assert "`nox -s bench -- --against v1`" in lines
    assert "- A: v1 (c0ffee)" in lines


def test_larger_memory_is_called_so(judged: list[Judged]) -> None:
    slower = replace(judged[0], metric=SIZE)
    assert report.verdict_words(slower) == "larger"


def test_everything_is_written(judged: list[Judged], tmp_path: Path) -> None:
    samples = measured(1.5)
    pictures = charts.draw(judged, samples, HEADING.names, tmp_path)
    report.write(tmp_path, judged, samples, HEADING, pictures)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "command.png", "memory.png", "report.html", "report.md", "samples.json",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "the &lt;working&gt; tree" in page
    assert "http" not in page
    kept = json.loads((tmp_path / "samples.json").read_text())
    assert [each["verdict"] for each in kept["verdicts"]] == ["slower", "no evidence", "refused"]
    blocks = [block for block in kept["blocks"] if (block["metric"], block["side"]) == ("command", "B")]
    values = [reading["value"] for block in blocks for reading in block["readings"]]
    assert values == [reading.value for reading in samples.readings("command", "B")]
    assert kept["heading"]["seed"] == 7


def test_the_tiers_result_counts_metrics_as_tests(judged: list[Judged]) -> None:
    counts, failures, skips = outcome.of_judged(judged, "again", "there")
    assert (counts.passed, counts.failed, counts.skipped) == (0, 2, 1)
    assert failures[0].nodeid == "benches/compare.py::command"
    assert failures[0].message.endswith("slower")
    assert failures[0].repro == "again"
    assert (skips[0].capability, skips[0].reason) == ("docker", "job_start: no engine | here")


def test_a_proof_is_right_when_it_finds_what_there_is_and_nothing_else(tmp_path: Path) -> None:
    same = tuple(judge(measured(1), [COMMAND], BUDGETS, seed=1))
    slowed = tuple(judge(measured(1.5), [COMMAND], BUDGETS, seed=1))
    assert [Comparison(1, 7, each, ()).right(slowed=False) for each in (same, slowed)] == [True, False]
    assert [Comparison(1, 7, each, ()).right(slowed=True) for each in (same, slowed)] == [False, True]
    assert not Comparison(1, 7, same, ("a warning",)).right(slowed=False)
    failed = Samples(failures={"command": "B: broken"})
    assert not Comparison(1, 7, tuple(judge(failed, [COMMAND], BUDGETS, seed=1)), ()).right(slowed=False)
    comparisons = [Comparison(1, 7, same, ()), Comparison(2, 8, slowed, ())]
    assert comparisons[0].words == "no evidence"
    assert comparisons[1].words.startswith("command slower (p50 +")
    write(tmp_path, comparisons, measured(1), {"A": Tree(tmp_path, "a"), "B": Tree(tmp_path, "b")})
    kept = json.loads((tmp_path / "proof.json").read_text())
    assert [each["words"] for each in kept["comparisons"]] == [each.words for each in comparisons]
    assert len(json.loads((tmp_path / "samples-02.json").read_text())) == 60
    charts.strip([each.judged for each in comparisons], tmp_path / "effects.png")
    assert (tmp_path / "effects.png").read_bytes().startswith(b"\x89PNG")
