import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.galaxy import new_game
from engine.store import FILE, StateCorrupt, StateUnreadable, StateUnwritable, Store

GAME = new_game(["Ada", "Bob"], 7)
LATER = replace(GAME, turn=1)


@contextmanager
def nearly_full(limit: int) -> Iterator[None]:
    """The kernel takes the first bytes of a file and refuses the rest, as a nearly full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    assert store.read() is None
    store.write(GAME)
    assert store.read() == GAME
    store.write(LATER)
    assert store.read() == LATER
    assert os.listdir(tmp_path / "a" / "b") == [FILE]
    assert (tmp_path / "a" / "b" / FILE).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("limit", [0, 1, 500])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, limit: int) -> None:
    store = Store(tmp_path)
    store.write(GAME)
    with nearly_full(limit), pytest.raises(StateUnwritable):
        store.write(LATER)
    assert store.read() == GAME
    assert os.listdir(tmp_path) == [FILE]
    store.write(LATER)
    assert store.read() == LATER


def test_a_directory_that_cannot_be_had_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "state")
    with pytest.raises(StateUnwritable):
        store.check()
    with pytest.raises(StateUnwritable):
        store.write(GAME)


def test_what_a_crash_left_half_written_is_never_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(GAME)
    (tmp_path / f".{FILE}.new").write_text('{"format":1,"sha2')
    assert store.read() == GAME
    store.write(LATER)
    assert os.listdir(tmp_path) == [FILE]


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(GAME)
    content = (tmp_path / FILE).read_bytes()
    for at in range(0, len(content), 7):
        (tmp_path / FILE).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(StateCorrupt):
            store.read()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        (tmp_path / FILE).write_bytes(content[:length])
        with pytest.raises(StateCorrupt):
            store.read()


def test_another_format_is_told_from_damage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(GAME)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content.replace(b'"format":1', b'"format":2'))
    with pytest.raises(StateCorrupt, match="format 2 is not 1"):
        store.read()


def test_a_file_that_is_none_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StateUnreadable):
        Store(tmp_path).read()
