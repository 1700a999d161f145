import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from seatrial.processes import proctree
from seatrial.processes.listener import Address
from seatrial.waiting import until


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A child with a child, whose pid it prints."""
    code = "import subprocess; p = subprocess.Popen(['sleep', '1000']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLOUR": "blue"},
        start_new_session=True,
    ) as process:
        yield process
        os.killpg(process.pid, 9)


def grandchild(parent: subprocess.Popen[str]) -> int:
    assert parent.stdout is not None
    return int(parent.stdout.readline())


@pytest.fixture(params=["children", "stat", "ps"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way in which the process table can be read."""
    if request.param != "children":
        monkeypatch.setattr(proctree, "_lists_children", lambda: False)
    if request.param == "ps":
        monkeypatch.setattr(proctree, "has_proc", lambda: False)
    return str(request.param)


@pytest.mark.usefixtures("source")
def test_descendants_are_found_each_way(parent: subprocess.Popen[str]) -> None:
    pid = grandchild(parent)
    found = {each.pid: each for each in proctree.descendants(os.getpid())}
    assert found[pid].parent == parent.pid
    assert found[parent.pid].parent == os.getpid()
    assert found[pid].session == parent.pid
    assert not found[pid].zombie
    assert pid in proctree.pids()
    without = {each.pid for each in proctree.descendants(os.getpid(), besides={parent.pid})}
    assert not without & {pid, parent.pid}


@pytest.mark.usefixtures("source")
def test_a_zombie_is_known_as_one() -> None:
    process = subprocess.Popen(["true"])
    until("its end", lambda: (its := proctree.info(process.pid)) is not None and its.zombie)
    process.wait()
    assert proctree.info(process.pid) is None


def test_names_may_be_awkward(tmp_path_factory: pytest.TempPathFactory) -> None:
    program = tmp_path_factory.mktemp("x") / "a) R (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "1000"]) as process:
        # The name changes first, and a moment later the command line.
        wanted = f"pid {process.pid} ({program} 1000)"
        until("its exec", lambda: str(proctree.info(process.pid)) == wanted)
        its = proctree.info(process.pid)
        assert its is not None
        assert (its.name, its.parent) == ("a) R (b", os.getpid())
        process.kill()


def test_the_environment_at_the_start_is_known(parent: subprocess.Popen[str]) -> None:
    pid = grandchild(parent)
    # The kernel shows it a moment after the parent has seen the exec.
    until("its environment", lambda: proctree.carries(pid, "COLOUR=blue"))
    assert not proctree.carries(pid, "COLOUR=blu")
    assert not proctree.carries(pid, "OLOUR=blue")


def test_who_is_not_there_is_nobody() -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    assert proctree.info(process.pid) is None
    assert proctree.children(process.pid) == []
    assert proctree.command_line(process.pid) == ""
    assert not proctree.carries(process.pid, "A=B")


SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], 0), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("bound", "host"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1")]
)
def test_it_is_known_who_listens(bound: str, host: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, bound], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        address = Address(host, int(process.stdout.readline()))
        assert proctree.stranger_at(address, {process.pid}) is None
        stranger = proctree.stranger_at(address, {os.getpid()})
        assert stranger is not None
        assert f"pid {process.pid} " in stranger
        assert process.stdin is not None
        process.stdin.close()
    assert proctree.stranger_at(address, {os.getpid()}) is None


def test_where_nothing_can_be_known_nobody_is_accused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proctree, "has_proc", lambda: False)
    assert proctree.stranger_at(Address("127.0.0.1", 1), set()) is None
