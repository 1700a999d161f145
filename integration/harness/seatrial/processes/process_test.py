import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.conftest import Argv, Children
from seatrial.errors import NotReady, ProcessDied, ServiceError, UnexpectedLog, WaitTimeout
from seatrial.processes import proctree
from seatrial.processes.listener import Listener
from seatrial.processes.process import Process
from seatrial.processes.supervisor import Supervisor
from seatrial.waiting import WATCH, until

HTTP = Listener(name="http", kind="passed")


def complaints(process: Process) -> list[str]:
    return [f"{type(problem).__name__}: {problem}" for problem in process.problems()]


def test_a_process_lives_from_spawn_to_a_clean_end(children: Children) -> None:
    process = children.spawn("serve()")
    assert process.exit_status is None
    process.wait_ready()
    assert process.state == "ready"
    assert 0 < process.boot_time < 10
    status = process.stop()
    assert (status.code, status.signal, str(status)) == (0, None, "exit code 0")
    assert status.max_rss > 0
    assert process.state == "exited"
    assert process.problems() == ()
    assert [event.kind for event in children.events] == ["spawned", "ready", "signal", "exited"]
    assert {event.process for event in children.events} == {"child1"}


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), signal.SIGABRT)", "killed by SIGABRT"),
        ("sys.exit(0)", "exit code 0"),
    ],
)
def test_an_end_that_nobody_asked_for_is_a_problem_with_its_exact_status(
    children: Children, ending: str, text: str
) -> None:
    process = children.spawn(f"say('the last word'); {ending}")
    assert str(process.wait_exit()) == text
    (complaint,) = complaints(process)
    assert complaint.startswith("UnexpectedExit: ")
    assert text in complaint
    assert "although nobody asked it to end" in complaint
    assert "the last word" in complaint


def test_a_declared_end_is_no_problem_and_another_one_is(children: Children) -> None:
    process = children.spawn("sys.exit(78)")
    process.expect_exit(code=78)
    assert process.wait_exit().code == 78
    WATCH.check()
    assert process.problems() == ()
    process.expect_exit(signal=signal.SIGKILL)
    (complaint,) = complaints(process)
    assert "exit code 78" in complaint
    assert "expected was: killed by SIGKILL" in complaint


def test_an_end_can_be_declared_after_it_came(children: Children) -> None:
    process = children.spawn("sys.exit(78)")
    process.wait_exit()
    with pytest.raises(ProcessDied):
        WATCH.check()
    process.expect_exit()
    WATCH.check()
    assert process.problems() == ()


def test_a_declared_end_that_does_not_come_is_a_problem(children: Children) -> None:
    process = children.start("serve()")
    process.expect_exit(code=78)
    process.stop()
    (complaint,) = complaints(process)
    assert "exit code 0 after SIGTERM" in complaint


def test_nobody_ends_both_ways(children: Children) -> None:
    process = children.start("serve()")
    with pytest.raises(ServiceError, match="not both"):
        process.expect_exit(code=1, signal=signal.SIGTERM)


def test_death_ends_wait_ready_with_the_last_lines_of_the_log(children: Children) -> None:
    process = children.spawn("notify('STATUS=loading the map'); say('map is broken'); sys.exit(1)")
    with pytest.raises(ProcessDied) as caught:
        process.wait_ready()
    text = str(caught.value)
    assert "exit code 1" in text
    assert "before it was ready" in text
    assert "'loading the map'" in text
    assert "map is broken" in text
    assert str(process.log.path) in text


def test_death_ends_the_waits_for_others(children: Children) -> None:
    bystander = children.spawn("signal.pause()")
    bystander.expect_exit()
    victim = children.start("serve()")

    def kill() -> None:
        os.kill(victim.pid, signal.SIGKILL)

    waits: dict[str, Callable[[], object]] = {
        "wait_ready": lambda: bystander.wait_ready(20),
        "wait_exit": lambda: bystander.wait_exit(20),
        "wait_for": lambda: bystander.log.wait_for("never", 20),
        "until": lambda: until("never", lambda: None, 20),
    }
    for name, wait in waits.items():
        murder = threading.Timer(0.05, kill)
        murder.start()
        started = time.monotonic()
        with pytest.raises(ProcessDied, match=r"child2 \(pid \d+\): killed by SIGKILL"):
            wait()
        murder.join()
        assert time.monotonic() - started < 10, name
        victim.restart()


def test_an_asked_for_end_wakes_nobody(children: Children) -> None:
    process = children.start("serve()")
    process.kill()
    WATCH.check()
    assert process.problems() == ()


def test_a_child_that_is_late_is_told_with_its_status_and_stacks(children: Children) -> None:
    process = children.spawn(
        "signal.signal(signal.SIGUSR1, lambda *_: say('stack of main'));"
        "notify('STATUS=waiting for the moon'); say('up')\nforever()",
        boot_timeout=30,
        stack_dump_signal=signal.SIGUSR1,
    )
    process.log.wait_for("up")
    with pytest.raises(NotReady) as caught:
        process.wait_ready(0.05)
    text = str(caught.value)
    assert "waiting for the moon" in text
    assert "stack of main" in text
    process.kill()


def test_a_child_that_does_not_stop_is_dumped_then_killed(children: Children) -> None:
    process = children.start(
        "signal.signal(signal.SIGUSR1, lambda *_: say('stack of main'))\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nnotify('READY=1')\nforever()",
        stop_timeout=0.1,
        stack_dump_signal=signal.SIGUSR1,
    )
    assert process.stop().signal == signal.SIGKILL
    (complaint,) = complaints(process)
    assert "did not end within 0.1 s of SIGTERM and had to be killed" in complaint
    assert "stack of main" in complaint


def test_a_stop_with_the_wrong_status_is_a_problem_unless_the_service_ends_so(children: Children) -> None:
    body = "notify('READY=1')\nforever()"
    process = children.start(body)
    assert process.stop().signal == signal.SIGTERM
    assert "killed by SIGTERM after SIGTERM" in complaints(process)[0]
    foreign = children.start(body, clean_exits=(0, -signal.SIGTERM))
    foreign.stop()
    assert foreign.problems() == ()


def test_the_stop_signal_is_the_services(children: Children) -> None:
    process = children.start(
        "signal.signal(signal.SIGINT, lambda *_: os._exit(0))\nserve()", stop_signal=signal.SIGINT
    )
    assert process.stop().code == 0
    assert "SIGINT" in [event.detail for event in children.events]


def test_terminate_asks_once(children: Children) -> None:
    process = children.start(
        "signal.signal(signal.SIGTERM, lambda *_: say('asked'))\n"
        "signal.signal(signal.SIGINT, lambda *_: os._exit(0))\nnotify('READY=1')\nforever()"
    )
    process.terminate()
    process.log.wait_for("asked")
    process.terminate()
    assert process.state == "stopping"
    process.send_signal(signal.SIGINT)
    process.wait_exit()
    assert process.log.text().count("asked") == 1


def test_a_paused_child_is_resumed_to_be_stopped(children: Children) -> None:
    process = children.start("serve()")
    process.pause()
    its = proctree.info(process.pid)
    assert its is not None
    assert its.stopped
    assert process.stop().code == 0
    assert process.problems() == ()


def test_resume_ends_a_pause(children: Children) -> None:
    process = children.start(
        "worker = subprocess.Popen(['sleep', '1000'])\nsay(f'worker {worker.pid}')\nserve()"
    )
    worker = int(process.log.wait_for("worker").line.split()[1])
    process.pause()
    until("the worker is suspended too", lambda: (its := proctree.info(worker)) is not None and its.stopped)
    process.resume()
    until(
        "both run", lambda: not any((its := proctree.info(p)) and its.stopped for p in (worker, process.pid))
    )
    process.kill()


def test_kill_takes_the_session_and_what_daemonised(children: Children) -> None:
    process = children.start(
        "worker = subprocess.Popen(['sleep', '1000'])\n"
        "loner = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "say(f'pids {worker.pid} {loner.pid}')\nserve()"
    )
    pids = [int(word) for word in process.log.wait_for("pids").line.split()[1:]]
    process.kill()
    for pid in pids:
        assert proctree.info(pid) is None, "neither running nor a zombie"
    assert process.problems() == ()


def test_a_worker_left_in_the_session_is_killed_and_named(children: Children) -> None:
    process = children.start(
        "worker = subprocess.Popen(['sleep', '1234'])\nsay(f'worker {worker.pid}')\nserve()"
    )
    worker = int(process.log.wait_for("worker").line.split()[1])
    process.stop()
    assert proctree.info(worker) is None
    (complaint,) = complaints(process)
    assert "left in its session" in complaint
    assert "sleep 1234" in complaint


def test_a_worker_that_notices_in_time_is_no_problem(children: Children) -> None:
    process = children.start(
        "r, w = os.pipe()\n"
        "if os.fork() == 0:\n    os.close(w); os.read(r, 1); os._exit(0)\n"
        "os.close(r)\nserve()"
    )
    process.stop()
    assert process.problems() == ()


def test_a_client_can_connect_before_the_child_is_ready(children: Children) -> None:
    process = children.spawn(
        "server = socket.socket(fileno=3)\nserver.accept()[0].send(b'hello')\nserve()", listeners=[HTTP]
    )
    address = process.address("http")
    with socket.create_connection((address.host, address.port), timeout=20) as client:
        assert client.recv(5) == b"hello"
    process.wait_ready()
    assert process.url("http", "/x") == f"http://{address}/x"


def test_a_reported_address_is_known_when_ready(children: Children) -> None:
    grpc = Listener(name="grpc", kind="reported", variable="CHILD_GRPC_ADDR")
    process = children.spawn(
        "assert os.environ['CHILD_GRPC_ADDR'] == '127.0.0.1:0'\n"
        "server = socket.create_server(('127.0.0.1', 0))\nsys.stdin.read()\n"
        "serve(f'X_LISTEN_GRPC=127.0.0.1:{server.getsockname()[1]}')",
        listeners=[grpc],
    )
    process.wait_ready()
    address = process.address("grpc")
    with socket.create_connection((address.host, address.port)):
        pass


def test_a_reported_address_is_not_guessed(children: Children) -> None:
    grpc = Listener(name="grpc", kind="reported", variable="CHILD_GRPC_ADDR")
    process = children.spawn("signal.pause()", listeners=[grpc])
    with pytest.raises(NotReady, match="has not reported its listener grpc"):
        process.address("grpc")
    with pytest.raises(ServiceError, match="no listener 'http'"):
        process.address("http")
    with pytest.raises(NotReady, match="boot time"):
        _ = process.boot_time
    process.kill()


def test_addresses_reach_arguments_and_environment(children: Children) -> None:
    tcp = Listener(name="redis", kind="reserved", variable="ADDR")
    process = children.spawn(
        "say(' '.join([sys.argv[1], sys.argv[2], os.environ['URL'], os.environ['ADDR'], os.environ['MORE']]))\nserve()",
        listeners=[tcp],
        arguments=["--port={redis.port}"],
        environment={"URL": "redis://{redis.host}:{redis.port}/0", "MORE": "overridden"},
        context={"arguments": ["{redis.address}"], "environment": {"MORE": "more"}},
    )
    address = process.address("redis")
    line = process.log.wait_for("port").line
    assert line == f"--port={address.port} {address} redis://{address}/0 {address} more"


def test_a_log_line_that_was_not_allowed_is_a_problem(children: Children) -> None:
    body = """
say('{"level":"INFO","event":"fine"}')
say('{"level":"WARNING","event":"redis_gone","host":"h"}')
say('{"level":"ERROR","event":"broken"}')
serve()
"""
    process = children.start(body, log_format="json")
    process.stop()
    (problem,) = process.problems()
    assert isinstance(problem, UnexpectedLog)
    assert "redis_gone" in str(problem)
    assert "broken" in str(problem)
    assert "fine" not in str(problem)
    process.allow_log("redis_gone", level="WARNING")
    assert "redis_gone" not in complaints(process)[0]
    process.allow_log("broken", level="WARNING")
    assert "broken" in complaints(process)[0]
    process.allow_log("bro+ken")
    assert process.problems() == ()


def test_wait_exit_of_a_child_that_stays_times_out(children: Children) -> None:
    process = children.start("say('here to stay'); serve()")
    with pytest.raises(WaitTimeout, match="here to stay"):
        process.wait_exit(0.05)


def test_close_never_raises_and_comes_back_to_the_same_verdict(children: Children) -> None:
    process = children.start("serve()")
    os.kill(process.pid, signal.SIGKILL)
    process.wait_exit()
    process.close()
    WATCH.check()
    first = complaints(process)
    process.close()
    assert complaints(process) == first
    assert len(first) == 1


def test_a_status_that_somebody_else_took_is_said_to_be_unknown(children: Children) -> None:
    process = children.start("serve()")
    # The supervisor's loop is held up, so that the thief is first.
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        release.wait(20)

    Supervisor.current().loop.call_soon_threadsafe(hold)
    assert held.wait(20)
    os.kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
    release.set()
    assert process.wait_exit().returncode is None
    assert "somebody else took" in complaints(process)[0]


def test_a_missing_working_directory_is_an_error_with_a_remedy(children: Children, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="nowhere does not exist; create it"):
        children.spawn("serve()", working_directory=tmp_path / "nowhere")


def test_a_program_that_cannot_be_loaded_gets_a_hint(children: Children, tmp_path: Path) -> None:
    program = tmp_path / "alien"
    program.write_bytes(b"\x7fELF" + bytes(60))
    program.chmod(0o755)
    process = children.spawn(Argv([str(program)]))
    with pytest.raises(ProcessDied, match="cannot be executed"):
        process.wait_ready()
