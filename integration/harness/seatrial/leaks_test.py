import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from seatrial.conftest import Children
from seatrial.errors import LeakError
from seatrial.leaks import DescriptorAuditor, Leak, LeakAudit
from seatrial.processes import proctree
from seatrial.processes.supervisor import Supervisor
from seatrial.waiting import until

DAEMON = "p = subprocess.Popen(['sleep', '1717'], start_new_session=True); say(f'pid {p.pid}')\nserve()"


def left_by(work: Callable[[], object]) -> list[str]:
    audit = LeakAudit()
    before = audit.snapshot()
    work()
    return [str(leak) for leak in audit.leaks(before)]


def test_a_test_that_cleans_up_leaves_nothing(children: Children) -> None:
    def work() -> None:
        directory = Supervisor.current().temporary_directory("x")
        children.start("serve()").close()
        with socket.create_server(("127.0.0.1", 0)):
            pass
        directory.rmdir()

    assert left_by(work) == []


def test_a_daemon_is_found_named_and_killed(children: Children) -> None:
    pids: list[int] = []

    def work() -> None:
        process = children.start(DAEMON)
        pids.append(int(process.log.wait_for("pid").line.split()[1]))
        process.stop()

    (leak,) = left_by(work)
    assert leak.startswith(f"process: pid {pids[0]} (sleep 1717), running; ")
    assert proctree.info(pids[0]) is None


def test_a_process_that_nobody_closed_is_found(children: Children) -> None:
    process = children.start("serve()")
    process.stop()
    leaks = left_by(lambda: children.start("serve()"))
    assert len(leaks) == 1
    assert "running" in leaks[0]


def test_a_process_of_the_worker_may_stay_with_all_that_it_starts(children: Children) -> None:
    pids: list[int] = []

    def work() -> None:
        process = children.start(DAEMON, context={"scope": "run"})
        pids.append(int(process.log.wait_for("pid").line.split()[1]))

    assert left_by(work) == []
    os.kill(pids[0], signal.SIGKILL)


def test_a_process_of_the_tests_own_is_reported_and_not_killed() -> None:
    started: list[subprocess.Popen[bytes]] = []
    Supervisor.current()
    (leak,) = left_by(lambda: started.append(subprocess.Popen(["sleep", "1000"])))
    (process,) = started
    with process:
        assert f"pid {process.pid} (sleep 1000), running" in leak
        assert process.poll() is None
        process.kill()


def test_a_zombie_of_the_tests_own_is_reported_and_not_reaped() -> None:
    started: list[subprocess.Popen[bytes]] = []

    def work() -> None:
        process = subprocess.Popen(["sh", "-c", "exit 7"])
        started.append(process)
        until("its end", lambda: (its := proctree.info(process.pid)) is not None and its.zombie)

    (leak,) = left_by(work)
    assert "a zombie" in leak
    assert started[0].wait() == 7


def test_an_orphan_that_has_ended_is_reaped_and_no_leak(children: Children) -> None:
    pids: list[int] = []

    def work() -> None:
        # As daemons do: the one in the middle leads the session and ends, so that the last one is adopted by the runner.
        process = children.start(
            "if os.fork() == 0:\n    os.setsid()\n    pid = os.fork()\n"
            "    if pid == 0:\n        say(f'pid {os.getpid()}'); signal.pause()\n    os._exit(0)\nos.wait()\nserve()"
        )
        pid = int(process.log.wait_for("pid").line.split()[1])
        os.kill(pid, signal.SIGKILL)
        until("its end", lambda: (its := proctree.info(pid)) is not None and its.zombie)
        pids.append(pid)
        process.close()

    assert left_by(work) == []
    assert proctree.info(pids[0]) is None


def test_a_process_that_is_about_to_end_is_given_a_moment() -> None:
    started: list[subprocess.Popen[bytes]] = []

    def work() -> None:
        process = subprocess.Popen([sys.executable, "-I", "-S", "-c", "pass"])
        started.append(process)

    audit = LeakAudit()
    before = audit.snapshot()
    work()
    reaper = threading.Thread(target=started[0].wait)
    reaper.start()
    assert audit.leaks(before) == ()
    reaper.join()


def test_an_open_server_is_found_with_its_address() -> None:
    servers: list[socket.socket] = []
    (leak,) = left_by(lambda: servers.append(socket.create_server(("127.0.0.1", 0))))
    (server,) = servers
    assert leak == f"listening socket: {server.getsockname()}; close its server"
    server.close()


def test_a_socket_that_does_not_listen_is_no_leak() -> None:
    made: list[socket.socket] = []
    assert left_by(lambda: made.append(socket.socket())) == []
    made[0].close()


def test_a_directory_is_found_and_removed() -> None:
    supervisor = Supervisor.current()
    kept = supervisor.temporary_directory("kept", scope="run")
    made = supervisor.temporary_directory("before")

    def work() -> None:
        (supervisor.temporary_directory("x") / "file").touch()

    leaks = left_by(work)
    assert len(leaks) == 1
    assert leaks[0].startswith(f"temporary directory: {supervisor.directory}/test/")
    assert list((supervisor.directory / "test").iterdir()) == [made]
    kept.rmdir()
    made.rmdir()


def test_file_descriptors_can_be_audited_too() -> None:
    audit = LeakAudit(auditors=[DescriptorAuditor()])
    before = audit.snapshot()
    assert audit.leaks(before) == ()
    descriptor = os.open("/dev/zero", os.O_RDONLY)
    (leak,) = audit.leaks(before)
    assert str(leak) == f"file descriptor: {descriptor} (/dev/zero); close it"
    os.close(descriptor)


def test_whoever_is_registered_is_asked_and_may_clean() -> None:
    class Containers:
        def __init__(self) -> None:
            self.running = ["before"]

        def snapshot(self) -> list[str]:
            return list(self.running)

        def leaks(self, before: list[str]) -> list[Leak]:
            return [Leak("container", name, "remove it") for name in self.running if name not in before]

        def clean(self, before: list[str]) -> None:
            self.running = before

    containers = Containers()
    audit = LeakAudit(auditors=[containers])
    before = audit.snapshot()
    containers.running = ["before", "left"]
    assert [str(leak) for leak in audit.leaks(before)] == ["container: left; remove it"]
    assert audit.leaks(before) == ()


def test_the_error_lists_them_all() -> None:
    error = LeakError([Leak("process", "pid 1", "stop it"), Leak("directory", "/x", "remove it")])
    assert str(error) == "left behind:\n  process: pid 1; stop it\n  directory: /x; remove it"


def test_who_escapes_from_the_tree_is_found_by_the_marker(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As where the kernel lets nobody adopt orphans.
    monkeypatch.setattr(proctree, "children", lambda _: [])
    audit = LeakAudit()
    before = audit.snapshot()
    process = children.start("serve()")
    (leak,) = audit.leaks(before)
    assert f"pid {process.pid} " in str(leak)
