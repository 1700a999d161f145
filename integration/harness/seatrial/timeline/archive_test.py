import json
import os
from pathlib import Path

import pytest

from seatrial.errors import SeatrialError
from seatrial.timeline import archive


def kept(reports: Path, tier: str, run: str, nodeid: str, at: int) -> Path:
    line = json.dumps({"at_s": 0.0, "source": "test", "event": "start", "detail": nodeid}) + "\n"
    path = archive.keep(reports / tier / "timelines" / run, nodeid.replace("/", "."), line)
    os.utime(path, (at, at))
    return path


def test_the_newest_of_a_test_is_found_by_its_name_or_a_part_of_it(tmp_path: Path) -> None:
    kept(tmp_path, "quick", "1", "a/a_test.py::test_one", 1)
    newest = kept(tmp_path, "full", "2", "a/a_test.py::test_one", 3)
    kept(tmp_path, "quick", "3", "a/a_test.py::test_one", 2)
    longer = kept(tmp_path, "quick", "1", "a/a_test.py::test_one_more", 4)
    assert archive.newest(tmp_path, "a/a_test.py::test_one").path == newest
    assert archive.newest(tmp_path, "one_more").path == longer
    (tmp_path / "quick" / "timelines" / "1" / "half.jsonl").write_text('{"detail')
    assert archive.newest(tmp_path, "more").nodeid == "a/a_test.py::test_one_more"


def test_what_fits_no_test_or_several_is_told(tmp_path: Path) -> None:
    with pytest.raises(archive.NoTimeline, match="run it, then ask again"):
        archive.newest(tmp_path, "one")
    for number in range(30):
        kept(tmp_path, "quick", "1", f"a_test.py::test_{number:02}", 1)
    with pytest.raises(archive.NoTimeline, match="of 30 tests") as raised:
        archive.newest(tmp_path, "test_")
    assert "test_19" in str(raised.value)
    assert "test_20" not in str(raised.value)
    assert "and 10 more" in str(raised.value)


def test_another_word_than_on_and_off_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEATRIAL_TIMELINE", raising=False)
    assert archive.recording()
    monkeypatch.setenv("SEATRIAL_TIMELINE", "off")
    assert not archive.recording()
    monkeypatch.setenv("SEATRIAL_TIMELINE", "no")
    with pytest.raises(SeatrialError, match="write off to measure"):
        archive.recording()
