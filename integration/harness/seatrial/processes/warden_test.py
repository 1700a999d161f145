import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from seatrial.processes import proctree, warden
from seatrial.processes.supervisor import Supervisor
from seatrial.processes.supervisor_test import runner
from seatrial.waiting import until


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"", set()), (b"+1\n+22\n", {1, 22}), (b"+1\n+2\n-1\n", {2}), (b"+1\n-2\n+3", {1}), (b"-5\n", set())],
)
def test_it_knows_the_sessions_that_are_left(text: bytes, expected: set[int]) -> None:
    assert warden.sessions(text) == expected


def test_it_knows_the_commands_that_were_left_each_once() -> None:
    assert warden.last_will(b"+1\n@[1]\n@[2]\n-1\n@[1]\n@[3") == [b"[1]", b"[2]"]


def gone(pid: int) -> bool:
    its = proctree.info(pid)
    if its is not None and its.zombie and its.parent == os.getpid():
        os.waitpid(pid, 0)
        return True
    return its is None


def expect_gone(pids: Iterable[int]) -> None:
    left = set(pids)

    def all_gone() -> bool:
        left.difference_update([pid for pid in left if gone(pid)])
        return not left

    until(f"pids {sorted(left)} to be gone", all_gone)


def expect_no(path: Path) -> None:
    until(f"{path} to be gone", lambda: not path.exists())


# Each child shows one way to escape from a killed runner, and one of the nets that catches it.
ESCAPES = """
import seatrial.processes.spawn
seatrial.processes.spawn.dies_with_parent.cache_clear()
if sys.argv[2] == "warden":
    seatrial.processes.process.spawn.__globals__["dies_with_parent"] = lambda: ()
from seatrial.processes.supervisor import Supervisor
stubborn = "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]\\n"
wait = "notify('READY=1')\\nforever()"
plain = children.start(stubborn + wait, stop_timeout=0.1)
worker = children.start("p = subprocess.Popen(['sleep', '1000']); say(f'pid {p.pid}')\\n" + wait)
daemon = children.start("p = subprocess.Popen(['sleep', '1000'], start_new_session=True); say(f'pid {p.pid}')\\n" + wait)
bare = children.start("p = subprocess.Popen(['sleep', '1000'], env={}); say(f'pid {p.pid}')\\n" + wait)
paused = children.start(wait)
paused.pause()
pids = [each.pid for each in (plain, worker, daemon, bare, paused)]
pids += [each.log.wait_for("pid").line.split()[1] for each in (worker, daemon, bare)]
Supervisor.current().temporary_directory("x").joinpath("file").touch()
print(*pids, *Supervisor.current().own_processes(), Supervisor.current().directory, flush=True)
"""


@pytest.mark.parametrize("net", ["kernel and warden", "warden"])
def test_a_killed_runner_leaves_nothing(tmp_path: Path, net: str) -> None:
    Supervisor.current()
    for attempt in range(3):
        with runner(ESCAPES + "signal.pause()", str(tmp_path / f"{attempt}"), net) as process:
            assert process.stdout is not None
            *words, directory = process.stdout.readline().split()
            pids = [int(word) for word in words]
            assert not any(gone(pid) for pid in pids)
            process.kill()
            started = time.monotonic()
            process.wait()
            children, own = pids[:-1], pids[-1]
            expect_gone(children)
            expect_no(Path(directory))
            expect_gone([own])
            # The limit is one second; this leaves room for a machine that does something else.
            assert time.monotonic() - started < 5


def test_a_runner_that_ends_in_peace_leaves_no_warden(tmp_path: Path) -> None:
    with runner(ESCAPES + "children.close()", str(tmp_path), "kernel and warden") as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    *words, directory = output.split()
    *pids, own = [int(word) for word in words]
    assert proctree.info(own) is None
    assert not Path(directory).exists()
    # Even the daemon, which left its session, and whose parent was stopped in peace.
    expect_gone(pids)


def test_a_fork_of_the_runner_does_not_keep_the_warden_from_seeing_its_end(tmp_path: Path) -> None:
    Supervisor.current()
    code = """
from seatrial.processes.supervisor import Supervisor
process = children.start("serve()")
pid = os.fork()
if pid == 0:
    while True: signal.pause()
print(process.pid, *Supervisor.current().own_processes(), pid, flush=True)
signal.pause()
"""
    with runner(code, str(tmp_path)) as process:
        assert process.stdout is not None
        child, own, fork = (int(word) for word in process.stdout.readline().split())
        process.kill()
        process.wait()
        expect_gone([child, own])
        assert not gone(fork)
        os.kill(fork, signal.SIGKILL)
        expect_gone([fork])


WILL = """
from seatrial.processes.supervisor import Supervisor
supervisor = Supervisor.current()
children.start("serve()")
# It runs once, and what was left before a warden was replaced is not forgotten.
report = f"open({sys.argv[2]!r}, 'a').write('done ')"
supervisor.last_will([sys.executable, "-I", "-S", "-c", report])
supervisor.last_will([sys.executable, "-I", "-S", "-c", report])
(own,) = supervisor.own_processes()
os.kill(own, signal.SIGKILL)
os.waitid(os.P_PID, own, os.WEXITED | os.WNOWAIT)
children.start("serve()")
print(*supervisor.own_processes(), flush=True)
"""


@pytest.mark.parametrize("killed", [True, False])
def test_a_last_will_is_carried_out_when_the_runner_is_killed_and_only_then(
    tmp_path: Path, killed: bool
) -> None:
    told = tmp_path / "told"
    with runner(WILL + "signal.pause()" * killed, str(tmp_path / "work"), str(told)) as process:
        assert process.stdout is not None
        own = int(process.stdout.readline())
        if killed:
            process.kill()
        process.communicate()
        expect_gone([own])
    if killed:
        until("the last will", told.exists)
    assert told.exists() is killed
    assert not killed or until("its words", told.read_text) == "done "


def test_it_is_deaf_to_a_terminal() -> None:
    supervisor = Supervisor()
    try:
        supervisor.watch_over()
        (own,) = supervisor.own_processes()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            os.kill(own, number)
        its = proctree.info(own)
        assert its is not None
        assert (its.session, its.zombie) == (own, False)
    finally:
        supervisor.close()
    assert proctree.info(own) is None


def test_without_proc_it_kills_by_session(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        monkeypatch.setattr(os.path, "isdir", lambda _: False)
        assert warden.sweep(b"NO=BODY", {process.pid})
        assert process.wait() == -signal.SIGKILL
    assert not warden.sweep(b"NO=BODY", {process.pid})
