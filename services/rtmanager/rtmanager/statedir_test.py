import os
import stat
from pathlib import Path

import pytest

from rtmanager.errors import OperationFailed
from rtmanager.statedir import StateRoot

MINE = (os.geteuid(), os.getegid())


def test_the_directory_is_made_with_its_mode_and_owner(tmp_path: Path) -> None:
    root = StateRoot(str(tmp_path / "deep" / "state"))
    before = os.umask(0o077)
    try:
        user = root.prepare("g1", (10001, 10002))
    finally:
        os.umask(before)
    state = Path(root.path("g1")).stat()
    assert stat.S_IMODE(state.st_mode) == 0o750
    owner = (10001, 10002) if os.geteuid() == 0 else MINE
    assert (state.st_uid, state.st_gid) == owner
    assert user == f"{owner[0]}:{owner[1]}"


def test_what_is_in_it_stays(tmp_path: Path) -> None:
    root = StateRoot(str(tmp_path))
    root.prepare("g1", MINE)
    (tmp_path / "g1" / "world").write_text("state")
    (tmp_path / "g1").chmod(0o700)
    root.prepare("g1", MINE)
    assert (tmp_path / "g1" / "world").read_text() == "state"
    assert stat.S_IMODE((tmp_path / "g1").stat().st_mode) == 0o750


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "g1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperationFailed) as refused:
        StateRoot(str(tmp_path)).prepare("g1", MINE)
    assert refused.value.code == "container_start_failed"
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o700


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "g1").write_text("")
    with pytest.raises(
        OperationFailed, match=r"g1 cannot be made: Not a directory \(see RTMANAGER_STATE_ROOT\)"
    ):
        StateRoot(str(tmp_path)).prepare("g1", MINE)
