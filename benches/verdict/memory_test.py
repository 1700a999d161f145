"""What the kernel says of a process is read as it is meant."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from verdict import memory
from verdict.memory import Footprint, MemoryUnknown, footprint

ROLLUP = "5581d6a5b000-7ffe33d5b000 ---p 00000000 00:00 0    [rollup]\nRss:  13500 kB\nPss:  9000 kB\nPss_Dirty: 1 kB\n"


def test_sizes_are_read_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps_rollup").write_text(ROLLUP)
    found = footprint(7, tmp_path)
    assert (found.pss, found.rss) == (9000 * 1024, 13500 * 1024)


def test_this_process_is_about_as_large_as_what_it_holds() -> None:
    before = footprint(os.getpid())
    held = bytearray(os.urandom(1 << 20) * 32)
    after = footprint(os.getpid())
    assert 30 << 20 <= after.rss - before.rss <= 70 << 20
    assert 30 << 20 <= after.pss - before.pss <= 70 << 20
    assert len(held) == 32 << 20


def test_a_process_that_is_gone_is_named() -> None:
    gone = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    gone.wait()
    with pytest.raises(MemoryUnknown, match=f"/proc/{gone.pid}/smaps_rollup"):
        footprint(gone.pid)


def test_a_kernel_that_tells_something_else_is_named(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "smaps_rollup").write_text("Rss:  13500 kB\n")
    with pytest.raises(MemoryUnknown, match="no line 'Pss'"):
        footprint(7, tmp_path)


def test_a_process_that_grows_is_not_at_rest_before_it_stops_to(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    sizes: dict[int, list[int]] = {1: [100, 100, 120, 140, 160], 2: [50, 50, 50, 50, 50, 50, 50, 90, 120]}

    def growing(pid: int) -> Footprint:
        left = sizes[pid]
        return Footprint(pss=left.pop(0) if len(left) > 1 else left[0], rss=1000)

    monkeypatch.setattr(memory, "footprint", growing)
    assert {pid: found.pss for pid, found in memory.settled([1, 2]).items()} == {1: 160, 2: 120}
    assert time.monotonic() - begun >= 0.5
