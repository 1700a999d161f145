import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import seatrial
from seatrial.conftest import Children
from seatrial.errors import SeatrialError
from seatrial.processes import proctree
from seatrial.processes.supervisor import Supervisor
from seatrial.waiting import until


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    its = Supervisor()
    yield its
    its.close()


def test_there_is_one_and_it_is_asked_from_any_thread() -> None:
    supervisor = Supervisor.current()
    assert Supervisor.current() is supervisor
    assert Supervisor.active() is supervisor

    async def name() -> str:
        return threading.current_thread().name

    assert supervisor.run(name()) == "seatrial-supervisor"


def test_errors_come_back_to_the_caller(supervisor: Supervisor) -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        supervisor.run(fail())


def test_a_timeout_cancels_the_work(supervisor: Supervisor) -> None:
    cancelled = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        supervisor.run(forever(), timeout=0.01)
    assert cancelled.wait(20)


def test_it_cannot_wait_for_itself(supervisor: Supervisor) -> None:
    async def nothing() -> None: ...

    async def ask_again() -> None:
        supervisor.run(nothing())

    with pytest.raises(SeatrialError, match="called from its own thread"):
        supervisor.run(ask_again())
    supervisor.close()
    with pytest.raises(SeatrialError, match="or after its end"):
        supervisor.run(nothing())


def test_its_end_cancels_what_runs(supervisor: Supervisor) -> None:
    started = threading.Event()
    outcome: list[BaseException] = []

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    def wait() -> None:
        try:
            supervisor.run(forever())
        except SeatrialError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert started.wait(20)
    supervisor.close()
    thread.join(20)
    assert ["the supervisor ends" in str(error) for error in outcome] == [True]


def test_temporary_directories_are_its_own_and_go_with_it(supervisor: Supervisor) -> None:
    first = supervisor.temporary_directory("x")
    second = supervisor.temporary_directory("x")
    kept = supervisor.temporary_directory("x", scope="run")
    assert first != second
    assert first.parent == second.parent != kept.parent
    assert supervisor.directory.stat().st_mode & 0o777 == 0o700
    (kept / "file").touch()
    supervisor.close()
    assert not supervisor.directory.exists()


def test_a_long_temporary_directory_is_no_hindrance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    supervisor = Supervisor()
    try:
        assert supervisor.directory.parent == Path("/tmp")
        assert list(long.iterdir()) == []
    finally:
        supervisor.close()


def runner(code: str, *arguments: str) -> "subprocess.Popen[str]":
    """A test runner of its own, which can be killed."""
    path = str(Path(seatrial.__file__).parents[1])
    preamble = "import os, signal, sys\nfrom pathlib import Path\nfrom seatrial.conftest import Children\n"
    preamble += "children = Children(Path(sys.argv[1]))\n"
    return subprocess.Popen(
        [sys.executable, "-c", preamble + code, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_runner_that_forgets_its_children_leaves_nothing(tmp_path: Path) -> None:
    code = """
process = children.start("serve()")
from seatrial.processes.supervisor import Supervisor
print(process.pid, *Supervisor.current().own_processes(), Supervisor.current().directory, flush=True)
"""
    with runner(code, str(tmp_path)) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    *pids, directory = output.split()
    assert [proctree.info(int(pid)) for pid in pids] == [None, None]
    assert not Path(directory).exists()


def test_ctrl_c_interrupts_a_wait_and_not_the_children(tmp_path: Path) -> None:
    code = """
process = children.start("signal.signal(signal.SIGINT, lambda *_: say('interrupted'))\\nserve()")
try:
    print("ready", flush=True)
    process.wait_exit(60)
except KeyboardInterrupt:
    print("interrupted", process.state, process.stop(), process.log.text(), flush=True)
"""
    with runner(code, str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output.strip() == "interrupted ready exit code 0"


def test_a_forked_child_has_a_supervisor_of_its_own(tmp_path: Path) -> None:
    code = """
from seatrial.processes.supervisor import Supervisor
process = children.start("serve()")
before = Supervisor.current()
pid = os.fork()
if pid == 0:
    assert Supervisor.active() is None
    own = Children(Path(sys.argv[1]) / "fork").start("serve()")
    assert Supervisor.current().run_id != before.run_id
    print(own.stop(), flush=True)
    Supervisor.close_current()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert process.state == "ready"
assert before.directory.exists()
print(process.stop(), flush=True)
"""
    with runner(code, str(tmp_path)) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output == "exit code 0\nexit code 0\n"


def test_the_kernel_kills_the_children_of_a_runner_without_a_warden(tmp_path: Path) -> None:
    code = """
from seatrial.processes.supervisor import Supervisor
process = children.start("signal.signal(signal.SIGTERM, signal.SIG_IGN)\\nnotify('READY=1')\\nforever()")
warden, = Supervisor.current().own_processes()
os.kill(warden, signal.SIGKILL)
os.waitpid(warden, 0)
print(process.pid, Supervisor.current().directory, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    Supervisor.current()  # so that the orphan comes to us, and can be reaped
    with runner(code, str(tmp_path)) as process:
        output, _ = process.communicate()
    pid, directory = output.split()
    until("its child to die", lambda: (its := proctree.info(int(pid))) is None or its.zombie)
    os.waitpid(int(pid), 0)
    for path in Path(directory).iterdir():
        path.unlink()
    Path(directory).rmdir()


def test_orphans_are_adopted(children: Children) -> None:
    process = children.start(
        "p = subprocess.Popen(['sleep', '1000'], start_new_session=True); say(f'pid {p.pid}'); serve()"
    )
    orphan = int(process.log.wait_for("pid").line.split()[1])
    process.stop()
    its = proctree.info(orphan)
    assert its is not None
    assert its.parent == os.getpid()
    os.kill(orphan, signal.SIGKILL)
    os.waitpid(orphan, 0)


def warden_of(supervisor: Supervisor) -> int:
    assert supervisor._warden is not None
    assert supervisor._warden.pid in supervisor.own_processes()
    return supervisor._warden.pid


def test_a_killed_warden_is_replaced_at_the_next_spawn(children: Children) -> None:
    supervisor = Supervisor.current()
    first = children.start("serve()")
    warden = warden_of(supervisor)
    os.kill(warden, signal.SIGKILL)
    until("its end", lambda: (its := proctree.info(warden)) is None or its.zombie)
    children.start("serve()")
    another = warden_of(supervisor)
    assert another != warden
    assert proctree.info(warden) is None
    assert first.stop().code == 0
