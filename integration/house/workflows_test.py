"""The GitHub workflows run each tier as its trigger says, on every supported Python, and keep what a failure left."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from house.interpreters import SUPPORTED
from seatrial import tier
from seatrial.tier import Trigger

ROOT: Final = Path(__file__).parents[2]
TIERS: Final = tier.load(ROOT / tier.FILE_NAME)
FOLDER: Final = ROOT / ".github" / "workflows"
WORKFLOW_OF: Final = {Trigger.PUSH: "quick.yml", Trigger.NIGHTLY: "nightly.yml"}
EVENTS_OF: Final = {
    Trigger.PUSH: {"push", "pull_request"},
    Trigger.NIGHTLY: {"schedule", "workflow_dispatch"},
}
TRIGGERS: Final = list(WORKFLOW_OF)
PINNED: Final = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
ON_ONE_PYTHON: Final = {"lint", "docker_quick"}
"""The linters read all of it at once; the images have one Python, whatever runs the tests."""
CALL: Final = re.compile(r"\b(?:make|nox -s)((?: [a-z]\w*)+)")


def workflow(trigger: Trigger) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load((FOLDER / WORKFLOW_OF[trigger]).read_text())
    return document


def jobs(trigger: Trigger) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(trigger)["jobs"]
    return found


def calls(job: dict[str, Any]) -> Iterator[str]:
    """The targets and sessions that a job's steps call."""
    for step in job["steps"]:
        for match in CALL.finditer(step.get("run", "")):
            yield from match[1].split()


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_workflow_calls_the_tiers_of_its_trigger_and_no_other(trigger: Trigger) -> None:
    called = {name: set(calls(job)) for name, job in jobs(trigger).items()}
    assert called == {each.name: {each.name} for each in TIERS.triggered_by(trigger)}


def test_every_trigger_but_by_hand_has_a_workflow_and_every_workflow_a_trigger() -> None:
    assert {*WORKFLOW_OF, Trigger.MANUAL} == set(Trigger)
    assert {path.name for path in FOLDER.iterdir()} == set(WORKFLOW_OF.values())


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_workflow_starts_on_the_events_of_its_trigger(trigger: Trigger) -> None:
    # YAML 1.1 reads the key `on` as true
    assert set(workflow(trigger)[True]) == EVENTS_OF[trigger]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_workflow_grants_nothing_and_each_job_only_reads(trigger: Trigger) -> None:
    assert workflow(trigger)["permissions"] == {}
    assert [job.get("permissions") for job in jobs(trigger).values()] == [{"contents": "read"}] * len(
        jobs(trigger)
    )


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_two_runs_of_a_workflow_on_one_branch_do_not_compete(trigger: Trigger) -> None:
    assert "github.ref" in workflow(trigger)["concurrency"]["group"]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_job_has_a_time_limit_above_its_tiers_budget(trigger: Trigger) -> None:
    for name, job in jobs(trigger).items():
        budget = sum(TIERS[called].budget for called in calls(job))
        assert job["timeout-minutes"] * 60 > budget, name


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_failed_job_keeps_its_reports(trigger: Trigger) -> None:
    for name, job in jobs(trigger).items():
        uploads = [step for step in job["steps"] if "actions/upload-artifact@" in step.get("uses", "")]
        assert len(uploads) == 1, name
        assert uploads[0]["if"] in ("failure()", "always()"), name
        assert uploads[0]["with"]["path"] == "reports/", name
        assert uploads[0]["with"]["include-hidden-files"] is True, name


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_no_job_leaves_the_lane_of_continuous_integration(trigger: Trigger) -> None:
    for holder in (
        workflow(trigger),
        *jobs(trigger).values(),
        *(s for job in jobs(trigger).values() for s in job["steps"]),
    ):
        assert "CI" not in holder.get("env", {})


def test_the_tests_of_a_push_run_on_every_supported_python() -> None:
    for name, job in jobs(Trigger.PUSH).items():
        versions = job.get("strategy", {}).get("matrix", {}).get("python", [])
        assert tuple(versions) == (() if name in ON_ONE_PYTHON else SUPPORTED), name


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_actions_are_pinned_by_commit_with_their_version_beside(trigger: Trigger) -> None:
    lines = (FOLDER / WORKFLOW_OF[trigger]).read_text().splitlines()
    uses = [line.partition("uses:")[2].strip() for line in lines if "uses:" in line]
    assert uses
    assert [use for use in uses if not PINNED.fullmatch(use)] == []
