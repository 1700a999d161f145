"""A crasher has a name that says what broke, and keeps its message."""

from pathlib import Path

import pytest

from runner.libfuzzer import Crasher
from runner.regression import named, told, write
from runner.room import Room

EXCEPTION = """\
#2	INITED cov: 3 ft: 3 corp: 1/1b exec/s: 0 rss: 41Mb

 === Uncaught Python exception: ===
asyncpg.exceptions.DataError: a value
Traceback (most recent call last):
  File "/x/runner/child.py", line 58, in once
    check(data)
  File "/x/demo/tag.py", line 5, in Parser.<listcomp>
    raise DataError("a value")
asyncpg.exceptions.DataError: a value

==4019== ERROR: libFuzzer: fuzz target exited
SUMMARY: libFuzzer: fuzz target exited""".splitlines()
SIGNAL = [
    "==7== ERROR: libFuzzer: deadly signal",
    "    #0 0x7f in PyObject_Call",
    "SUMMARY: libFuzzer: deadly signal",
]
HANG = ["ALARM: working on the last Unit for 10 seconds", "==7== ERROR: libFuzzer: timeout after 10 seconds"]


@pytest.mark.parametrize(
    ("output", "name", "message"),
    [
        (EXCEPTION, "dataerror_parser_listcomp", "asyncpg.exceptions.DataError: a value"),
        (SIGNAL, "signal", "==7== ERROR: libFuzzer: deadly signal"),
    ],
)
def test_the_name_says_what_broke(output: list[str], name: str, message: str) -> None:
    assert named(output) == name
    assert told(output).splitlines()[0] == message


def test_a_crasher_is_written_with_its_message_and_once(tmp_path: Path) -> None:
    room, reports = Room(tmp_path), tmp_path / "reports"
    crasher = Crasher("hang", b"loop", tuple(HANG))
    regression = write(room, crasher, "demo_tag", reports)
    assert write(room, crasher, "demo_tag", reports) == regression
    assert regression.file.name.startswith("crash_hang_")
    assert room.inputs("demo_tag") == [regression.file]
    assert regression.file.read_bytes() == b"loop"
    assert (reports / "demo_tag" / regression.file.name).read_bytes() == b"loop"
    assert "working on the last Unit" in (reports / "demo_tag" / f"{regression.file.name}.txt").read_text()
