"""Every test of a run leaves its timeline, whatever became of it and in whichever worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.conftest import Inner, InnerRun

TESTS = """
import pytest
from support import service

def voyage(environment):
    environment.start(service('log("INFO", "under_way", trace_id="0af7651916cd43dd8448eb211c80319c"); serve()', name="ship"))

def test_arrives(environment):
    with environment.step("the cape"):
        voyage(environment)

@pytest.mark.parametrize("cargo", ["gold/silver"])
def test_sinks(environment, cargo):
    voyage(environment)
    raise AssertionError("storm")

def test_leaves_wreckage(environment):
    voyage(environment)
    environment.on_teardown(lambda: pytest.fail("driftwood"))

def test_without_any(): ...
"""


@pytest.fixture(scope="module")
def inner(new_inner: Callable[[str], Inner]) -> Inner:
    return new_inner(TESTS)


@pytest.fixture(scope="module")
def run(inner: Inner) -> InnerRun:
    return inner.run("-n", "2", plugins=["xdist.plugin"])


def timelines(run: InnerRun) -> dict[str, list[dict[str, Any]]]:
    """The events of each test that left some, by the node id in the first line of its file."""
    found = {}
    for file in (run.root / "reports" / "local" / "timelines").glob("*/*.jsonl"):
        events = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        found[events[0]["detail"].partition("::")[2]] = events
    return found


def test_every_test_with_an_environment_leaves_one_with_its_logs_and_its_outcome(run: InnerRun) -> None:
    kept = timelines(run)
    assert {name: events[-1]["outcome"] for name, events in kept.items()} == {
        "test_arrives": "passed",
        "test_sinks[gold/silver]": "failed",
        "test_leaves_wreckage": "failed",
    }
    for events in kept.values():
        assert [event["at_s"] for event in events] == sorted(event["at_s"] for event in events)
        assert events[0]["seed"] == run.result.seed
        (line,) = (event for event in events if event["event"] == "log")
        assert (line["source"], line["trace_id"]) == ("ship", "0af7651916cd43dd8448eb211c80319c")
        assert ("ship", "exited") in {(event["source"], event["event"]) for event in events}


def test_a_failure_says_in_which_phase_and_why_and_is_kept_as_a_page_too(run: InnerRun) -> None:
    kept = timelines(run)
    (sunk,) = (event for event in kept["test_sinks[gold/silver]"] if event["event"] == "failed")
    assert (sunk["detail"], sunk["message"]) == ("call", "AssertionError: storm")
    (left,) = (event for event in kept["test_leaves_wreckage"] if event["event"] == "failed")
    assert left["detail"] == "teardown"
    assert "driftwood" in left["message"]
    artifacts = run.artifacts("test_sinks[gold/silver]")
    lines = (artifacts / "timeline.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == kept["test_sinks[gold/silver]"]
    assert "storm" in (artifacts / "timeline.html").read_text(encoding="utf-8")


def test_only_the_newest_runs_stay(new_inner: Callable[[str], Inner]) -> None:
    inner = new_inner("def test_alone(environment): ...\n")
    root = inner.root / "reports" / "local" / "timelines"
    for number in range(1, 6):
        inner.write(f"reports/local/timelines/2020010{number}T000000-1/.running", "")
    assert inner.run().status == 0
    *old, current = sorted(path.name for path in root.iterdir())
    assert old == [f"2020010{number}T000000-1" for number in (3, 4, 5)]
    assert len(list((root / current).glob("*test_alone*.jsonl"))) == 1


def test_nothing_is_kept_when_it_is_switched_off_and_the_failure_is_told_all_the_same(
    new_inner: Callable[[str], Inner],
) -> None:
    off = new_inner(TESTS).run(variables={"SEATRIAL_TIMELINE": "off"})
    assert off.passed == {"test_arrives", "test_without_any"}
    assert not (off.root / "reports" / "local" / "timelines").exists()
    artifacts: Path = off.artifacts("test_sinks[gold/silver]")
    assert "storm" in (artifacts / "failure.txt").read_text(encoding="utf-8")
    assert not list(artifacts.glob("timeline.*"))


def test_another_word_for_the_switch_is_an_error_at_the_start_of_the_run(inner: Inner) -> None:
    wrong = inner.run(variables={"SEATRIAL_TIMELINE": "no"})
    assert wrong.status == pytest.ExitCode.USAGE_ERROR
    assert "SEATRIAL_TIMELINE is 'no'; write off" in wrong.output
