import pytest

from seatrial.timeline.faults import Faults, fault
from seatrial.timeline.timeline import Timeline, running


def told(timeline: Timeline) -> list[tuple[str, str, str, object]]:
    return [(event.source, event.kind, event.detail, event.fields["fault"]) for event in timeline.events]


def test_a_fault_has_a_begin_and_an_end_whatever_happens_in_it() -> None:
    timeline = Timeline()
    with running(timeline), pytest.raises(ValueError, match="no"), fault("proxy", "delayed", "0.2 s both"):
        raise ValueError("no")
    assert told(timeline) == [
        ("proxy", "fault", "delayed 0.2 s both", 1),
        ("proxy", "fault_over", "delayed", 1),
    ]


def test_faults_of_one_thing_end_each_or_all_and_only_once() -> None:
    timeline = Timeline()
    faults = Faults("store")
    with running(timeline):
        faults.begin("paused")
        faults.begin("paused")
        faults.end("killed")
        faults.begin("killed")
        faults.end()
        faults.end()
    assert told(timeline) == [
        ("store", "fault", "paused", 1),
        ("store", "fault", "killed", 2),
        ("store", "fault_over", "paused", 1),
        ("store", "fault_over", "killed", 2),
    ]


def test_without_a_test_a_fault_is_only_its_block() -> None:
    timeline = Timeline()
    with fault("proxy", "gone"), running(timeline):
        pass
    assert timeline.events == ()
