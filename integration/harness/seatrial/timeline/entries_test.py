from seatrial.timeline.entries import entry
from seatrial.timeline.event import Event
from seatrial.timeline.timeline import Timeline, running


def test_an_entry_is_told_once_at_the_time_in_its_id() -> None:
    timeline = Timeline()
    began_ms = int(timeline.unix(Event(0.0, "test", "start")) * 1000)
    with running(timeline):
        entry("jobs", f"{began_ms + 3000}-0", by="lobby", detail="start", trace_id="c" * 32)
        entry("jobs", f"{began_ms + 3000}-0")
        entry("results", f"{began_ms + 3000}-0", now=True)
        entry("results", "chosen-by-its-writer")
    jobs, written, chosen = timeline.events
    assert (jobs.source, jobs.kind, jobs.detail) == ("stream jobs", "entry", "start")
    assert (jobs.fields["by"], jobs.fields["trace_id"]) == ("lobby", "c" * 32)
    assert 2.99 < jobs.at <= 3.0
    assert written.at < 1
    assert chosen.at < 1
