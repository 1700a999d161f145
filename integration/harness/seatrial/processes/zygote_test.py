"""The life of processes that were forked and not executed, and of what forks them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.conftest import Argv, Children, Inner, Script
from seatrial.errors import ServiceError, SpawnError
from seatrial.leaks import ProcessAuditor
from seatrial.processes import proctree
from seatrial.processes.process import Process
from seatrial.processes.spawn import Launch
from seatrial.processes.supervisor import Supervisor
from seatrial.processes.supervisor_test import runner
from seatrial.processes.warden_test import expect_gone, expect_no
from seatrial.processes.warmboot import Preload, Zygote
from seatrial.service import Service
from seatrial.waiting import WATCH, until

DUMPS = "import faulthandler\nfaulthandler.register(signal.SIGUSR1)\nserve()"


def warm(children: Children, directory: Path, body: str = DUMPS, late: str = "", **fields: Any) -> Process:
    return children.spawn(Script.write(directory / "bin", "sail", late, body), boot="warm", **fields)


def zygote_of(process: Process) -> Zygote:
    (found,) = (
        each
        for each in Supervisor.current().owned()
        if isinstance(each, Zygote) and each.preload.script == process.service.binary.command()[0]
    )
    return found


def spares(zygote: Zygote) -> list[int]:
    """Forked, and not yet a service: it still has the zygote's command line."""
    supervisor = Supervisor.current()
    supervisor.settle()
    line = proctree.command_line(zygote.pid)
    own = supervisor.own_processes() - {zygote.pid}
    return [pid for pid in own if proctree.command_line(pid) == line]


def test_it_is_stopped_paused_restarted_killed_and_looked_at_like_any_other(
    children: Children, tmp_path: Path
) -> None:
    process = warm(children, tmp_path, stack_dump_signal=signal.SIGUSR1)
    process.wait_ready()
    first = process.pid
    with process.log.contains("most recent call first"):
        process.dump_stacks()
    process.pause()
    its = proctree.info(process.pid)
    assert its is not None
    assert (its.stopped, its.parent, its.session, its.name) == (True, os.getpid(), process.pid, "sail")
    assert proctree.command_line(process.pid).endswith("bin/sail")
    process.resume()
    process.restart()
    assert process.pid != first
    assert process.kill().signal == signal.SIGKILL
    assert process.problems() == ()
    assert [event.detail for event in children.events if event.kind == "spawned"] == [
        f"{tmp_path}/bin/sail (warm)"
    ] * 2


def test_a_death_that_nobody_asked_for_ends_every_wait(children: Children, tmp_path: Path) -> None:
    process = warm(children, tmp_path, "say('the last word')\nos.kill(os.getpid(), signal.SIGSEGV)")
    assert process.wait_exit().signal == signal.SIGSEGV
    with pytest.raises(Exception, match=r"(?s)killed by SIGSEGV although nobody asked.*the last word"):
        WATCH.check()
    (complaint,) = process.problems()
    assert "killed by SIGSEGV" in str(complaint)


def test_one_zygote_serves_all_processes_of_a_program_and_is_no_leak(
    children: Children, tmp_path: Path
) -> None:
    auditor = ProcessAuditor(Supervisor.current())
    before = auditor.snapshot()
    late = f"with open({str(tmp_path / 'imports')!r}, 'a') as file: file.write('x')"
    processes = [warm(children, tmp_path, late=late) for _ in range(3)]
    for process in processes:
        process.wait_ready()
    assert (tmp_path / "imports").read_text() == "x"
    assert sorted(leak.what.split()[1] for leak in auditor.leaks(before)) == sorted(
        str(process.pid) for process in processes
    )
    for process in processes:
        process.close()
    assert auditor.leaks(before) == []
    assert zygote_of(processes[0]).alive


def test_a_zygote_that_died_is_an_error_and_never_a_cold_boot(children: Children, tmp_path: Path) -> None:
    process = warm(children, tmp_path)
    process.wait_ready()
    zygote = zygote_of(process)
    os.kill(zygote.pid, signal.SIGKILL)
    assert process.stop().code == 0

    def boots_until_it_is_noticed() -> None:
        while True:  # one process may have been forked before
            warm(children, tmp_path).wait_ready()

    with pytest.raises(SpawnError, match=rf"the zygote of its warm boots \(pid {zygote.pid}\) has ended"):
        boots_until_it_is_noticed()
    again = warm(children, tmp_path)
    again.wait_ready()
    assert again.boot == "warm"
    assert proctree.info(zygote.pid) is None


def test_a_process_that_died_before_it_got_its_job_is_an_error(children: Children, tmp_path: Path) -> None:
    process = warm(children, tmp_path)
    process.wait_ready()
    (spare,) = spares(zygote_of(process))
    os.kill(spare, signal.SIGKILL)
    until("its end", lambda: (its := proctree.info(spare)) is not None and its.zombie)
    with pytest.raises(SpawnError, match=rf"was to become it \(pid {spare}\) has ended before"):
        warm(children, tmp_path)
    warm(children, tmp_path).wait_ready()
    assert proctree.info(spare) is None


def test_a_script_that_is_not_there_and_a_directory_that_went_are_named(
    children: Children, tmp_path: Path
) -> None:
    with pytest.raises(SpawnError, match="its import failed: FileNotFoundError: .*/nothing"):
        children.spawn(Script(tmp_path / "nothing", "os"), boot="warm")
    process = warm(children, tmp_path, arguments=["x" * 300_000])
    process.wait_ready()
    assert process.stop().code == 0


def test_a_process_that_was_forked_for_somebody_who_left_is_for_the_next_one(
    children: Children, tmp_path: Path
) -> None:
    process = warm(
        children, tmp_path, "forever()", clean_exits=(-signal.SIGTERM,)
    )  # never ready: no spare is made
    supervisor, zygote = Supervisor.current(), zygote_of(process)
    before = {each.pid for each in proctree.descendants(os.getpid())}
    os.kill(zygote.pid, signal.SIGSTOP)
    with (tmp_path / "log").open("wb") as output:
        launch = Launch(
            name="sail",
            command=process.service.binary.command(),
            environment={},
            directory=tmp_path,
            output=output.fileno(),
        )
        with pytest.raises(TimeoutError):
            supervisor.run(zygote.fork(launch), timeout=0.05)
    os.kill(zygote.pid, signal.SIGCONT)
    (spare,) = spares(zygote)
    assert {each.pid for each in proctree.descendants(os.getpid())} - before == {spare}
    after = warm(children, tmp_path, "forever()", clean_exits=(-signal.SIGTERM,))
    assert after.pid == spare


# What escapes, from a test and from a runner.

LEAKS = '''
import itertools
from pathlib import Path
from seatrial.conftest import Script
from seatrial import Service

NUMBERS = itertools.count()

def service(body, **fields):
    binary = Script.write(Path(__file__).parent / str(next(NUMBERS)), "sail", "", body)
    return Service(name="sail", binary=binary, boot="warm", **fields)

DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.pause()
    os._exit(0)
os.wait()
serve()"""

def test_leaves_a_daemon(environment):
    environment.start(service(DAEMON))

def test_leaves_an_executed_daemon(environment):
    environment.start(service("subprocess.Popen(['sleep', '1000'], start_new_session=True)\\nserve()"))

def test_leaves_one_in_its_session(environment):
    environment.start(service("subprocess.Popen(['sleep', '1000'])\\nserve()"))

def test_warns(environment):
    environment.start(service("say('ERROR: no route')\\nserve()", log_format="plain"))

def test_exits_badly(environment):
    environment.start(service("signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\\nnotify('READY=1')\\nforever()"))

def test_mode(environment, request):
    process = environment.start(service("serve()"))
    print("mode", process.boot, environment.start(service("serve()"), boot="cold").boot)

def test_nothing_is_left_of_the_others(environment):
    assert environment.start(service("serve()")).stop().code == 0
'''
NewInner = Callable[[str], Inner]


def test_what_a_warm_process_leaves_is_red(new_inner: NewInner) -> None:
    run = new_inner(LEAKS).run("-s")
    assert run.passed == {"test_mode", "test_nothing_is_left_of_the_others"}, run.output
    assert "boot warm" in run.output
    assert "mode warm cold" in run.output
    for test, message in {
        "test_leaves_a_daemon": "LeakError: left behind:\n  process: pid ",
        "test_leaves_an_executed_daemon": "(sleep 1000), running",
        "test_leaves_one_in_its_session": "ended and left in its session: pid ",
        "test_warns": "UnexpectedLog",
        "test_exits_badly": "exit code 3",
    }.items():
        assert message in run.failure(test).message, run.output


def test_a_run_is_cold_when_it_is_told_so(new_inner: NewInner) -> None:
    run = new_inner(LEAKS).run("-s", "-k", "mode", variables={"SEATRIAL_BOOT": "cold"})
    assert run.status == 0, run.output
    assert "boot cold" in run.output
    assert "mode cold cold" in run.output


def test_another_mode_is_an_error_at_the_start_of_the_run(new_inner: NewInner) -> None:
    run = new_inner(LEAKS).run(variables={"SEATRIAL_BOOT": "tepid"})
    assert run.status == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: SEATRIAL_BOOT is 'tepid'; set it to cold or warm, or leave it away" in run.output
    assert "Traceback" not in run.output


ESCAPES = """
from seatrial.conftest import Script
from seatrial.processes.supervisor import Supervisor
def warm(body):
    return children.start(Script.write(Path(sys.argv[1]) / str(len(pids)) / "bin", "sail", "", body), boot="warm")
pids = []
stubborn = "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]\\n"
wait = "notify('READY=1')\\nforever()"
daemon = "if os.fork() == 0:\\n    os.setsid(); pid = os.fork()\\n"
daemon += "    if pid == 0: forever()\\n    say(f'pid {pid}'); os._exit(0)\\n"
pids.append(warm(stubborn + wait).pid)
executed = "p = subprocess.Popen(['sleep', '1000'], start_new_session=True); say(f'pid {p.pid}')\\n"
for body in (daemon, executed):
    process = warm(body + wait)
    pids += [process.pid, process.log.wait_for("pid").line.split()[1]]
paused = warm(wait)
paused.pause()
pids.append(paused.pid)
print(*pids, *Supervisor.current().own_processes(), Supervisor.current().directory, flush=True)
"""


def test_a_killed_runner_leaves_nothing(tmp_path: Path) -> None:
    Supervisor.current()
    with runner(ESCAPES + "signal.pause()", str(tmp_path)) as process:
        assert process.stdout is not None
        *words, directory = process.stdout.readline().split()
        pids = [int(word) for word in words]
        assert len(pids) >= 6 + 4 + 1  # children and daemons, a zygote for each program, the warden; spares
        assert None not in [proctree.info(pid) for pid in pids]
        process.kill()
        started = time.monotonic()
        process.wait()
        expect_gone(pids)
        expect_no(Path(directory))
        # The limit is one second; this leaves room for a machine that does something else.
        assert time.monotonic() - started < 5


def test_a_runner_that_ends_leaves_nothing(tmp_path: Path) -> None:
    with runner(ESCAPES + "children.close()", str(tmp_path)) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    *words, directory = output.split()
    assert len(words) >= 6 + 4 + 1
    expect_gone(map(int, words))
    assert not Path(directory).exists()


def test_only_a_program_whose_modules_are_known_boots_warm() -> None:
    true = Service(name="a", binary=Argv(["true"]))
    assert true.boot_mode() == "cold"
    with pytest.raises(
        ServiceError, match="service a cannot boot warm: .* make it a PythonBinary, or boot it cold"
    ):
        true.boot_mode("warm")
    with pytest.raises(ServiceError, match="service a cannot boot warm"):
        true.replace(boot="warm")
    with pytest.raises(ServiceError, match="boot is 'tepid'; it is cold or warm"):
        true.boot_mode("tepid")  # type: ignore[arg-type]
    script = Service(name="a", binary=Script(Path("/a/b"), "c"), boot="warm")
    assert script.boot_mode("cold") == "cold"
    assert script.preloaded().modules == ("c",)
    assert isinstance(script.preloaded(), Preload)
