"""Reports of recorded data: what they say, and that they say it alone."""

import csv
import json
import re
from pathlib import Path

import pytest

import report
from histogram import Histogram
from knee_test import worker_report
from outcome import Outcome
from plan import Objective, Step
from sampling import Sample
from step import Measured
from words import EXECUTE, OK

OBJECTIVE = Objective(p99_ms=100)


def outcome(*, seen: int = 3000, counted: int = 3000) -> Outcome:
    """A ramp with a knee at 100 actions a second and a capacity of 120."""
    made = Outcome(
        scenario="commands",
        command="load/run.py --to 200",
        seed=1,
        objective=OBJECTIVE,
        target="the run's own environment",
        facts={"machine": "2 cores <of a kind>"},
        started_at="2026-11-21T19:00:00.000Z",
        begin_unix_s=0.0,
        planned=4,
    )
    for index, (rate, achieved, ms) in enumerate(
        [(50, 50, 5), (100, 99, 20), (150, 120, 400), (200, 119, 900)]
    ):
        lost = {} if index < 3 else {"downstream_timeout": 40}
        workers = [worker_report(rate * 5, achieved * 5, 10, ms, failures=lost) for _ in range(2)]
        made.steps.append(Measured.of(Step(index, rate, 2, 10), workers, began_s=20.0 * index + 5))
    back = Step(4, 50, 2, 10, recovery=True)
    made.steps.append(Measured.of(back, [worker_report(500, 500, 10, 6)], began_s=85.0))
    made.samples = [
        Sample(at, name, 0.5, 60.0) for at in range(100) for name in ("gateway", "lobby", "locust-worker")
    ]
    made.calls = {(EXECUTE, "lobby.get_game", OK): seen}
    made.counted = {(EXECUTE, "ok"): counted}
    return made


def test_a_report_is_complete_and_its_page_needs_nothing_else(tmp_path: Path) -> None:
    probe = outcome()
    probe.judge()
    report.write(probe, tmp_path)
    plots = ("throughput", "latency", "errors", "distribution", "cpu", "memory")
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(plots)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page)
    assert "2 cores &lt;of a kind&gt;" in page
    assert "The knee is at 100 actions/s: p99 20 ms (objective 100), errors 0.00%, n=1000." in page
    assert "150/s was not sustained: p99 400 ms &gt; 100; throughput 80% of what was offered." in page
    for name in plots:
        data = (tmp_path / f"{name}.png").read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) > 5000
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "a partial file was left"
    text = (tmp_path / "report.md").read_text()
    assert "![Offered and achieved throughput](throughput.png)" in text
    assert probe.state == "passed"


def test_every_figure_is_there_as_data(tmp_path: Path) -> None:
    report.write(outcome(), tmp_path)
    document = json.loads((tmp_path / "steps.json").read_text())
    assert document["knee"]["sustained_per_s"] == 100
    assert document["knee"]["first_beyond_per_s"] == 150
    assert document["knee"]["saturation"]["rate"] == pytest.approx(120, rel=0.05)
    assert [step["sustained"] for step in document["steps"]] == [True, True, False, False, True]
    assert document["steps"][3]["failures"] == {"downstream_timeout": 80}
    third = Histogram(document["steps"][2]["histograms"]["response"])
    assert len(third) == document["steps"][2]["samples"] == 1500
    assert third.percentile(99) == pytest.approx(document["steps"][2]["p99_ms"])
    with (tmp_path / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rate_per_s"] for row in rows] == ["50", "100", "150", "200", "50"]
    with (tmp_path / "processes.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 300


def test_a_probe_whose_two_counts_differ_is_red() -> None:
    lying = outcome(counted=2999)
    lying.judge()
    assert lying.state == "failed"
    assert (
        "had 3000 commands answered (and 0 without an answer), but the gateway counted 2999"
        in lying.problems[0]
    )
    more = outcome(counted=3001)
    more.judge()
    assert more.state == "failed"


def test_what_nobody_heard_may_have_been_executed() -> None:
    probe = outcome(counted=3002)
    probe.calls[EXECUTE, "lobby.get_game", "transport DEADLINE_EXCEEDED"] = 2
    probe.judge()
    assert probe.state == "passed"


def test_breaches_and_a_platform_that_does_not_come_back_are_red() -> None:
    probe = outcome()
    probe.breaches.append("a signature that fits no key")
    back = Step(4, 50, 2, 10, recovery=True)
    probe.steps[-1] = Measured.of(back, [worker_report(500, 500, 10, 600)])
    probe.judge()
    assert [problem.partition(":")[0] for problem in probe.problems] == [
        "contract breach",
        "after the ramp 50/s was not sustained any more",
    ]


def test_a_late_generator_is_told() -> None:
    probe = outcome()
    late = Histogram()
    for _ in range(200):
        late.record(0.06)
    slow = worker_report(1000, 1000, 10, 5, lateness=late.encoded())
    probe.steps[1] = Measured.of(Step(1, 100, 2, 10), [slow])
    assert probe.notes[0].startswith("the generator itself was late at 100/s")


def test_an_interrupted_probe_reports_what_there_is(tmp_path: Path) -> None:
    probe = outcome()
    half = Measured.of(Step(1, 100, 2, 10), [worker_report(30, 30, 0.3, 5)], began_s=25.0, cut=True)
    probe.steps[1:] = [half]
    probe.interrupted = True
    probe.judge()
    report.write(probe, tmp_path)
    assert probe.state == "interrupted"
    text = (tmp_path / "report.md").read_text()
    assert "cut off" in text
    assert "No knee up to 50 actions/s" in text


def test_nothing_measured_can_be_reported(tmp_path: Path) -> None:
    probe = outcome()
    probe.steps, probe.samples, probe.calls, probe.counted = [], (), {}, None
    probe.problems.append("1 of 2 workers did join within 5 s")
    report.write(probe, tmp_path)
    assert "No step was measured to its end." in (tmp_path / "report.html").read_text()
    assert not list(tmp_path.glob("*.png"))


def test_the_job_summary_gets_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    report.summarise(outcome(), tmp_path)
    assert "The knee is at 100 actions/s" in capsys.readouterr().out
    assert "| 2 | 100 | 100.0 | 99.0 | 1000 |" in (tmp_path / "summary.md").read_text()
