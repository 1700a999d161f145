import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from seatrial.failures import timeline as timelines
from seatrial.failures.timeline import Event, Timeline, fault, note, render, running, step, unix_time


def test_events_are_written_as_they_happen_from_the_first_need_on(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.record("test", "start", seed=7)
    timeline.write_to(tmp_path / "events.jsonl")
    timeline.record("ship", "spawned", "argo", place=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(line["source"], line["event"]) for line in lines] == [("test", "start"), ("ship", "spawned")]
    assert lines[0]["seed"] == 7
    assert lines[1]["place"] == str(tmp_path)
    timeline.close()
    timeline.record("test", "end")
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2
    assert len(timeline.events) == 3


def test_a_field_cannot_replace_what_every_event_has() -> None:
    timeline = Timeline()
    line = json.loads(timeline.line(Event(0.0, "test", "step", "", {"source": "elsewhere"})))
    assert line["source"] == "test"


def test_threads_do_not_lose_events(tmp_path: Path) -> None:
    timeline = Timeline()
    timeline.write_to(tmp_path / "events.jsonl")

    def record() -> None:
        for _ in range(200):
            timeline.record("a", "b")

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timeline.close()
    assert len(timeline.events) == len((tmp_path / "events.jsonl").read_text().splitlines()) == 800


def test_logs_are_merged_by_time_and_lines_without_one_stay_behind_the_line_before() -> None:
    timeline = Timeline()
    timeline.record("ship", "spawned")
    timeline.record("test", "step", "one")
    unix = timeline.unix(timeline.events[-1])
    told = timeline.from_log(
        "ship", [(None, None, "banner"), (unix + 1, "INFO", "late"), (None, None, "  later")]
    )
    merged = timeline.merged(told)
    assert [event.detail for event in merged] == ["", "banner", "one", "late", "  later"]
    assert [event.at for event in merged] == sorted(event.at for event in merged)
    assert merged[3].fields == {"level": "INFO"}


def test_steps_nest_and_a_failed_one_says_why() -> None:
    timeline = Timeline()
    with running(timeline):
        assert timelines.current() is timeline
        with pytest.raises(ValueError, match="no"), step("outer"):
            with step("inner"):
                note("proxy", "fault", "drop_traffic")
            raise ValueError("no")
    assert timelines.current() is None
    assert [(event.kind, event.detail) for event in timeline.events] == [
        ("step", "outer"),
        ("step", "inner"),
        ("fault", "drop_traffic"),
        ("step_done", "inner"),
        ("step_failed", "outer"),
    ]
    assert timeline.events[-1].fields == {"error": "ValueError"}


def test_without_a_test_nothing_is_recorded() -> None:
    with step("nowhere"):
        note("proxy", "fault")
    assert timelines.current() is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-11-21T10:00:00.250Z", datetime(2026, 11, 21, 10, 0, 0, 250000, UTC)),
        ("2026-11-21T12:00:00.250+02:00 INFO hello", datetime(2026, 11, 21, 10, 0, 0, 250000, UTC)),
        ("[2026-11-21 10:00:00,250] hello", datetime(2026, 11, 21, 10, 0, 0, 250000).astimezone()),
        ("17:M 21 Nov 2026 10:00:00.250 * Ready", datetime(2026, 11, 21, 10, 0, 0, 250000).astimezone()),
    ],
)
def test_the_time_of_a_line_is_found(line: str, expected: datetime) -> None:
    assert unix_time(line) == expected.timestamp()


@pytest.mark.parametrize(
    "line",
    ["", "hello", "2026-99-21T10:00:00Z", "99 Nov 2026 10:00:00.250", "x" * 80 + "2026-11-21T10:00:00Z"],
)
def test_a_line_without_a_time_has_none(line: str) -> None:
    assert unix_time(line) is None


def test_a_person_sees_one_event_a_line_and_long_ones_indented() -> None:
    text = render(
        [Event(0.0, "test", "start", "a_test.py"), Event(1.5, "ship", "log", "one\ntwo", {"level": "ERROR"})]
    )
    assert text.splitlines() == [
        "    0.000 s   +0.000  test             start        a_test.py",
        "    1.500 s   +1.500  ship             log ERROR    one",
        "                        two",
    ]
    assert render([]) == ""


def test_a_fault_has_a_begin_and_an_end_whatever_happens_in_it() -> None:
    timeline = Timeline()
    with running(timeline), pytest.raises(ValueError, match="no"), fault("proxy", "delayed", "0.2 s both"):
        raise ValueError("no")
    assert [(event.source, event.kind, event.detail) for event in timeline.events] == [
        ("proxy", "fault", "delayed 0.2 s both"),
        ("proxy", "fault_over", "delayed"),
    ]
