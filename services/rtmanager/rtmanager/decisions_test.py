from dataclasses import replace
from typing import get_args

import pytest

from rtmanager.decisions import Begin, NoOp, Request, decide
from rtmanager.errors import STATUSES, OperationFailed
from rtmanager.records import Record, Status

RECORD = Record(
    game_id="g1", status="running", image_ref="engine:1.4.0", container_id="c", engine_endpoint="http://game-g1:8080",
    run="r", probe="ok", unhealthy=False, oom=False, job_requested_at_ms=1000, created_at_ms=1, started_at_ms=1,
    updated_at_ms=1, stopped_at_ms=None, removed_at_ms=None, version=1,
)  # fmt: skip
STATES = get_args(Status)


def record(status: Status) -> Record:
    return replace(RECORD, status=status)


def refusal(request: Request, given: Record | None, last_stop: int = 0) -> str:
    with pytest.raises(OperationFailed) as refused:
        decide(request, given, last_stop)
    assert refused.value.code in STATUSES
    return refused.value.code


def start(image_ref: str = "engine:1.4.0", requested: int | None = 2000) -> Request:
    return Request("start", "g1", image_ref=image_ref, job_requested_at_ms=requested)


def stop(requested: int | None) -> Request:
    return Request("stop", "g1", reason="cancelled", job_requested_at_ms=requested)


def test_a_start_begins_unless_it_runs() -> None:
    for given in (None, record("stopped"), record("removed")):
        assert decide(start(), given, 0) == Begin("engine:1.4.0")
    assert decide(start(), RECORD, 0) == NoOp()
    assert refusal(start("engine:1.4.1"), RECORD) == "conflict"
    assert refusal(start("Engine"), None) == "start_config_invalid"


def test_a_start_that_was_requested_before_a_stop_that_is_done_is_too_late() -> None:
    assert refusal(start(requested=1999), record("stopped"), 2000) == "conflict"
    assert decide(start(requested=2000), record("stopped"), 2000) == Begin("engine:1.4.0")
    assert decide(start(requested=None), record("stopped"), 2000) == Begin("engine:1.4.0")


def test_a_stop_job_that_was_requested_before_the_present_run_stops_nothing() -> None:
    assert decide(stop(999), RECORD, 0) == NoOp()
    assert decide(stop(1000), RECORD, 0) == Begin("")
    assert decide(stop(1), replace(RECORD, job_requested_at_ms=None), 0) == Begin("")


def test_a_stop_job_of_what_does_not_run_is_a_no_op() -> None:
    for given in (None, record("stopped"), record("removed")):
        assert decide(stop(2000), given, 0) == NoOp()


def test_a_callers_stop() -> None:
    assert decide(stop(None), RECORD, 0) == Begin("")
    assert decide(stop(None), record("stopped"), 0) == NoOp()
    assert refusal(stop(None), record("removed")) == "conflict"
    assert refusal(stop(None), None) == "not_found"


def test_a_cleanup() -> None:
    asked = Request("cleanup", "g1")
    assert refusal(asked, RECORD) == "conflict"
    assert decide(asked, record("stopped"), 0) == Begin("")
    assert decide(asked, record("removed"), 0) == NoOp()
    assert refusal(asked, None) == "not_found"


def test_a_restart_keeps_the_image() -> None:
    asked = Request("restart", "g1")
    for status in ("running", "stopped"):
        assert decide(asked, record(status), 0) == Begin("engine:1.4.0")
    assert refusal(asked, record("removed")) == "conflict"
    assert refusal(asked, None) == "not_found"


def test_a_patch() -> None:
    asked = Request("patch", "g1", image_ref="engine:1.4.1")
    assert decide(asked, RECORD, 0) == Begin("engine:1.4.1")
    assert decide(asked, record("stopped"), 0) == Begin("engine:1.4.1")
    assert decide(replace(asked, image_ref="engine:1.4.0"), RECORD, 0) == NoOp()
    assert decide(replace(asked, image_ref="engine:1.4.0"), record("stopped"), 0) == Begin("engine:1.4.0")
    assert refusal(replace(asked, image_ref="engine:1.5.0"), RECORD) == "semver_patch_only"
    assert refusal(replace(asked, image_ref="engine:latest"), RECORD) == "image_ref_not_semver"
    assert refusal(asked, record("removed")) == "conflict"
    assert refusal(asked, None) == "not_found"
