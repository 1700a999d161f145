import json
from datetime import UTC, datetime

import pytest

from seatrial.processes.logfile import Record
from seatrial.timeline.event import Event
from seatrial.timeline.merging import merged, of_log, text
from seatrial.timeline.timeline import Timeline

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_logs_are_merged_by_time_and_lines_without_one_stay_behind_the_line_before() -> None:
    timeline = Timeline()
    timeline.record("ship", "spawned")
    timeline.record("test", "step", "one")
    late = datetime.fromtimestamp(timeline.unix(timeline.events[-1]) + 1, UTC).isoformat()
    records = [Record("banner"), Record("late", level="INFO", ts=late), Record("  later")]
    events = merged(timeline, of_log(timeline, "ship", records))
    assert [event.detail for event in events] == ["", "banner", "one", "late", "  later"]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert events[3].fields["level"] == "INFO"


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        (
            json.dumps({"event": "x", "request_id": "r-1", "trace_id": TRACE}),
            {"request_id": "r-1", "trace_id": TRACE},
        ),
        (json.dumps({"event": "x", "request_id": "", "trace_id": 7}), {}),
        (f"level=info request_id=r-1 trace_id={TRACE}", {"request_id": "r-1", "trace_id": TRACE}),
        (f'INFO {{"trace_id": "{TRACE}"}}', {"trace_id": TRACE}),
        ("17:M 21 Nov 2026 10:00:00.250 * Ready", {}),
        ("the request_id is missing", {}),
    ],
)
def test_a_line_of_any_format_tells_whose_it_is(line: str, ids: dict[str, str]) -> None:
    (event,) = of_log(Timeline(), "ship", [Record.parse(line)])
    assert {name: value for name, value in event.fields.items() if name != "level"} == ids


def test_a_person_sees_one_event_a_line_and_long_ones_indented() -> None:
    told = text(
        [
            Event(0.0, "test", "start", "a_test.py", {"seed": 7}),
            Event(1.5, "ship", "log", "one\ntwo", {"level": "ERROR", "trace_id": TRACE}),
        ]
    )
    assert told.splitlines() == [
        "    0.000 s   +0.000  test             start        a_test.py seed=7",
        "    1.500 s   +1.500  ship             log ERROR    one",
        "                        two",
    ]
    assert text([]) == ""
