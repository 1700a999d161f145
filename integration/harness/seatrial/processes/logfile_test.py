import threading
from pathlib import Path

import pytest

from seatrial.errors import ProcessDied, WaitTimeout
from seatrial.processes.logfile import Allowed, LogFile, Record
from seatrial.waiting import WATCH


class Writer:
    """Appends to a log as a child does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = LogFile(path)

    def write(self, text: str | bytes) -> None:
        with self.path.open("ab") as file:
            file.write(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "a.log")


def test_a_log_that_is_not_there_is_empty(writer: Writer) -> None:
    assert writer.log.text() == ""
    assert writer.log.records() == ()
    assert writer.log.mark().offset == 0
    assert "its log is empty" in writer.log.story()


def test_records_have_their_members(writer: Writer) -> None:
    writer.write(
        '{"ts":"2026-01-01T00:00:00.000Z","level":"info","logger":"a.b","event":"up","port":1}\nplain\n'
    )
    first, second = writer.log.records()
    assert (first.ts, first.level, first.logger, first.event) == (
        "2026-01-01T00:00:00.000Z",
        "INFO",
        "a.b",
        "up",
    )
    assert first.fields["port"] == 1
    assert second == Record("plain")


@pytest.mark.parametrize(
    "line", ['{"level":', "{}x", '{"level":3,"event":null}', "[1]", "{" * 5000, "\ufffd"]
)
def test_any_line_is_a_record(line: str) -> None:
    record = Record.parse(line)
    assert record.line == line
    assert record.level is None
    assert record.event is None


def test_a_partial_line_is_text_and_no_record(writer: Writer) -> None:
    writer.write("one\ntw")
    assert writer.log.text() == "one\ntw"
    assert [record.line for record in writer.log.records()] == ["one"]
    writer.write("o\r\n\xff")
    assert [record.line for record in writer.log.records()] == ["one", "two"]


def test_bytes_that_are_no_text_do_not_hurt(writer: Writer) -> None:
    writer.write(b"\xff\xfe\n")
    assert writer.log.text() == "\ufffd\ufffd"


def test_a_mark_divides_the_log(writer: Writer) -> None:
    writer.write("old\nhalf")
    mark = writer.log.mark()
    assert writer.log.records(mark) == ()
    writer.write(" a line\nnew\n")
    assert [record.line for record in writer.log.records(mark)] == ["half a line", "new"]
    assert writer.log.text(mark) == "half a line\nnew"


def test_the_tail_is_the_last_lines(writer: Writer) -> None:
    writer.write("".join(f"{number}\n" for number in range(50)) + "last")
    assert writer.log.tail(3) == "48\n49\nlast"
    assert writer.log.find("^4$") == Record("4")
    assert writer.log.find("^last$") is None


TRACEBACK = (
    'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    boom()\nValueError: boom\n'
)


def test_a_traceback_is_one_record(writer: Writer) -> None:
    writer.write("before\n" + TRACEBACK + "after\n")
    assert [record.line for record in writer.log.records()] == ["before", TRACEBACK.rstrip(), "after"]
    assert [record.line for record in writer.log.unexpected()] == [TRACEBACK.rstrip()]
    assert writer.log.unexpected([Allowed("ValueError: boom")]) == ()


@pytest.mark.parametrize(
    "line",
    [
        '{"level":"WARNING","event":"x"}',
        '{"level":"error"}',
        '{"level":"CRITICAL"}',
        '{"level":"INFO","exception":"Traceback ..."}',
        "ERROR: something",
        "/x.py:1: DeprecationWarning: old",
        "Fatal Python error: Segmentation fault",
        "panic: runtime error",
    ],
)
def test_what_fails_a_test(writer: Writer, line: str) -> None:
    writer.write(f"{line}\n")
    assert [record.line for record in writer.log.unexpected()] == [line]
    assert writer.log.unexpected([Allowed(".")]) == ()
    assert writer.log.unexpected([Allowed("nothing of this")])


@pytest.mark.parametrize(
    "line", ['{"level":"INFO","event":"error_rate","text":"ERROR"}', "listening on port 80", "no errors"]
)
def test_what_fails_no_test(writer: Writer, line: str) -> None:
    writer.write(f"{line}\n")
    assert writer.log.unexpected() == ()


def test_a_last_line_without_its_end_is_judged_too(writer: Writer) -> None:
    writer.write("ERROR: cut off")
    assert [record.line for record in writer.log.unexpected()] == ["ERROR: cut off"]


def test_a_plain_log_has_the_alarms_of_its_service(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('# Oops\nWARNING: harmless here\n{"level":"ERROR"}\n')
    log = LogFile(path, "plain", ["^# Oops"])
    assert [record.line for record in log.unexpected()] == ["# Oops"]
    assert log.records()[2].level is None


def test_an_allowance_can_name_a_level(writer: Writer) -> None:
    writer.write('{"level":"ERROR","event":"gone"}\n')
    assert writer.log.unexpected([Allowed("gone", "warning")])
    assert writer.log.unexpected([Allowed("gone", "error")]) == ()


def test_a_line_is_awaited(writer: Writer) -> None:
    writer.write("ready to r")
    thread = threading.Timer(0.02, lambda: writer.write("umble\n"))
    thread.start()
    assert writer.log.wait_for("rumble", 20).line == "ready to rumble"
    thread.join()


def test_a_line_in_vain_shows_the_log(writer: Writer) -> None:
    writer.write("something else\n")
    with pytest.raises(WaitTimeout, match=r"(?s)waited 0\.02 s for a line with 'rain' .*something else"):
        writer.log.wait_for("rain", 0.02)
    mark = writer.log.mark()
    with pytest.raises(WaitTimeout):
        writer.log.wait_for("something", 0.02, since=mark)


def test_what_a_child_wrote_before_it_died_is_found(writer: Writer) -> None:
    victim = object()
    WATCH.report(victim, "it died")
    try:
        with pytest.raises(ProcessDied, match="it died"):
            writer.log.wait_for("rain", 60)
        writer.write("rain\n")
        assert writer.log.wait_for("rain", 60).line == "rain"
    finally:
        WATCH.retract(victim)


def test_contains_looks_only_at_what_happens_inside(writer: Writer) -> None:
    writer.write("event\n")
    with writer.log.contains("event", 20):
        writer.write("event\n")
    with pytest.raises(WaitTimeout), writer.log.contains("event", 0.02):
        writer.write("another\n")


def test_an_error_inside_contains_is_told_first(writer: Writer) -> None:
    with pytest.raises(KeyError), writer.log.contains("event", 60):
        raise KeyError("x")
