import json
import threading
from pathlib import Path

from seatrial.timeline import timeline as timelines
from seatrial.timeline.event import Event
from seatrial.timeline.timeline import Timeline, note, running


def test_events_are_written_as_they_happen_from_the_first_need_on(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.record("test", "start", seed=7)
    timeline.write_to(tmp_path / "events.jsonl")
    timeline.record("ship", "spawned", "argo", place=tmp_path, boot=None)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(line["source"], line["event"]) for line in lines] == [("test", "start"), ("ship", "spawned")]
    assert lines[0]["seed"] == 7
    assert lines[1]["place"] == str(tmp_path)
    assert "boot" not in lines[1]
    timeline.close()
    timeline.record("test", "end")
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2
    assert len(timeline.events) == 3


def test_a_field_cannot_replace_what_every_event_has() -> None:
    line = json.loads(Event(0.0, "test", "step", "", {"source": "elsewhere"}).line(0.0))
    assert line == {"ts": "1970-01-01T00:00:00.000Z", "at_s": 0.0, "source": "test", "event": "step"}


def test_threads_do_not_lose_events_and_share_no_number(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.write_to(tmp_path / "events.jsonl")
    numbers: list[int] = []

    def record() -> None:
        for _ in range(200):
            numbers.append(timeline.number("exchange"))
            timeline.record("a", "b")

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timeline.close()
    assert len(timeline.events) == len((tmp_path / "events.jsonl").read_text().splitlines()) == 800
    assert sorted(numbers) == list(range(1, 801))
    assert timeline.number("fault") == 1


def test_what_is_told_with_a_wall_time_is_placed_by_it_and_never_before_the_beginning() -> None:
    timeline = Timeline()
    began = timeline.unix(Event(0.0, "test", "start"))
    timeline.record_at(began + 2.5, "store", "entry", entry_id="1-0")
    timeline.record_at(began - 60, "store", "entry")
    (late, early) = timeline.events
    assert abs(late.at - 2.5) < 0.001
    assert early.at == 0.0


def test_without_a_test_nothing_is_recorded_and_a_test_is_the_current_one_while_it_runs() -> None:
    note("proxy", "fault")
    timeline = Timeline()
    with running(timeline):
        assert timelines.current() is timeline
        note("proxy", "gone", "for a while", since=3)
    assert timelines.current() is None
    note("proxy", "back")
    assert [(e.source, e.kind, e.detail, dict(e.fields)) for e in timeline.events] == [
        ("proxy", "gone", "for a while", {"since": 3})
    ]


def test_one_that_does_not_record_keeps_nothing_and_writes_nothing(tmp_path: Path) -> None:
    timeline = Timeline(recording=False)
    with running(timeline):
        assert timelines.current() is None
    timeline.record("test", "start")
    timeline.write_to(tmp_path / "events.jsonl")
    assert timeline.events == ()
    assert not (tmp_path / "events.jsonl").exists()
