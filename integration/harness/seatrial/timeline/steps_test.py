import pytest

from seatrial.timeline.steps import step
from seatrial.timeline.timeline import Timeline, current, running


def test_steps_nest_are_numbered_and_a_failed_one_says_why() -> None:
    timeline = Timeline()
    with running(timeline), pytest.raises(ValueError, match="no"), step("outer"):
        with step("inner"):
            pass
        raise ValueError("no")
    events = timeline.events
    assert [(event.kind, event.detail, event.fields["step"]) for event in events] == [
        ("step", "outer", 1),
        ("step", "inner", 2),
        ("step_done", "inner", 2),
        ("step_failed", "outer", 1),
    ]
    assert events[-1].fields["error"] == "ValueError"
    inner, outer = (float(str(event.fields["took_s"])) for event in events[2:])
    assert 0 <= inner <= outer


def test_without_a_test_a_step_is_only_its_block() -> None:
    with step("nowhere"):
        assert current() is None
