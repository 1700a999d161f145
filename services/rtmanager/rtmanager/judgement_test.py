from dataclasses import replace
from typing import Any

from rtmanager.conftest import ENDED, LATER_RUN, RUN, container
from rtmanager.containers import Container
from rtmanager.decisions_test import RECORD
from rtmanager.judgement import Change, judge
from rtmanager.records import Record

NOW = 1_800_000_000_000
KNOWN = replace(RECORD, container_id="c" * 64, run=RUN)
STOPPED = replace(KNOWN, status="stopped")
REMOVED = replace(KNOWN, status="removed")


def story(record: Record | None, *found: Container) -> list[tuple[str | None, list[tuple[str, Any]]]]:
    """What the record becomes, step by step, and what is told."""
    changes: list[Change] = judge(record, found, NOW)
    return [(each.status, [(event.event_type, event.details) for event in each.events]) for each in changes]


def ended(**changes: Any) -> Container:
    return container(status="exited", ended=ENDED, **changes)


ADOPTED = ("container_started", {"image_ref": "engine:1.4.0", "adopted": True})
GONE = ("container_disappeared", {"image_ref": "engine:1.4.0"})


def test_what_is_as_recorded_is_no_story() -> None:
    assert story(None) == []
    assert story(KNOWN, container()) == []
    assert story(KNOWN, container(status="paused")) == []
    assert story(STOPPED, ended()) == []
    assert story(REMOVED) == []


def test_an_unknown_one_is_adopted() -> None:
    assert story(None, container()) == [("running", [ADOPTED])]
    assert story(REMOVED, container()) == [("running", [ADOPTED])]
    assert story(None, ended()) == [("stopped", [])]
    assert story(None, container(status="created")) == [("stopped", [])]
    assert story(None, container(status="removing")) == []


def test_what_a_removed_record_left_behind_is_not_taken_up() -> None:
    assert story(REMOVED, ended()) == []


def test_an_exit_is_told_with_its_status() -> None:
    found = [("stopped", [("container_exited", {"exit_code": 3, "ordered": False})])]
    assert story(KNOWN, ended(exit_code=3)) == found
    assert judge(KNOWN, [ended()], NOW)[0].events[0].occurred_at_ms == 1795266000250


def test_a_kill_for_memory_is_no_plain_exit() -> None:
    died = ended(exit_code=137, oom_killed=True)
    assert story(KNOWN, died) == [("stopped", [("container_oom", {"exit_code": 137, "exited": True})])]
    assert story(KNOWN, ended(exit_code=137)) == [
        ("stopped", [("container_exited", {"exit_code": 137, "ordered": False})])
    ]


def test_a_kill_in_a_container_that_lives_on_is_told_once_and_then_its_exit() -> None:
    assert story(KNOWN, container(oom_killed=True)) == [
        (None, [("container_oom", {"exit_code": 0, "exited": False})])
    ]
    noted = replace(KNOWN, oom=True)
    assert story(noted, container(oom_killed=True)) == []
    assert story(noted, ended(oom_killed=True, exit_code=1)) == [
        ("stopped", [("container_exited", {"exit_code": 1, "ordered": False})])
    ]


def test_a_missing_one_has_disappeared() -> None:
    assert story(KNOWN) == [("removed", [GONE])]
    assert story(STOPPED) == [("removed", [GONE])]


def test_one_that_is_being_removed_is_waited_for() -> None:
    assert story(KNOWN, container(status="removing")) == []
    assert story(STOPPED, container(status="removing")) == []


def test_another_running_one_takes_the_place_of_the_missing() -> None:
    assert story(KNOWN, container(id="d" * 64)) == [("removed", [GONE]), ("running", [ADOPTED])]
    assert story(KNOWN, ended(id="d" * 64)) == [("removed", [GONE])]


def test_one_that_was_started_from_outside_is_taken_up() -> None:
    assert story(STOPPED, container(run=LATER_RUN)) == [("running", [ADOPTED])]
    assert story(STOPPED, ended(run=LATER_RUN, exit_code=2)) == [
        ("running", [ADOPTED]),
        ("stopped", [("container_exited", {"exit_code": 2, "ordered": False})]),
    ]


def test_a_restart_from_outside_is_an_end_and_a_beginning() -> None:
    first, second = story(KNOWN, container(run=LATER_RUN))
    assert (first[0], first[1][0][0]) == ("stopped", "container_exited")
    assert second == ("running", [ADOPTED])
    assert [status for status, _ in story(KNOWN, ended(run=LATER_RUN))] == ["stopped", "running", "stopped"]


def test_the_images_own_health_check_is_told_at_the_turn() -> None:
    ill = container(health="unhealthy", failing_streak=3)
    assert story(KNOWN, ill) == [(None, [("inspect_unhealthy", {"failing_streak": 3})])]
    noted = replace(KNOWN, unhealthy=True)
    assert story(noted, ill) == []
    assert story(noted, container(health="starting")) == []
    assert judge(noted, [container(health="healthy")], NOW)[0].notes == {"unhealthy": False}
