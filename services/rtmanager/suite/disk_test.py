import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.world import World


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder in which nothing can be made, and what the system says of it.

    As root it is a file system that is full; another user may not mount one, and gets a folder that he may not write to.
    """
    folder = tmp_path / "full"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o500)
        yield folder, "Permission denied"
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "tmpfs", folder], check=True)
    try:
        yield folder, "No space left on device"
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_state_root_fails_the_start_and_a_restart_leaves_the_engine_running(
    world: World, full: tuple[Path, str]
) -> None:
    folder, reason = full
    game, other = world.game(), world.game()
    with world.lifetime() as manager:
        record = manager.start(other, world.engines.first)
    manager = world.manager(STATE_ROOT=str(folder))
    answer = manager.do(game, "start", {"image_ref": world.engines.first})
    assert answer.error == (502, "container_start_failed")
    assert reason in answer.body["error"]["message"]
    assert str(folder / game) in answer.body["error"]["message"]
    assert world.containers(game) == []
    assert manager.do(other, "restart").error == (502, "container_start_failed")
    assert world.container(other)["Id"] == record["container_id"]
    assert world.container(other)["State"]["Running"]
