"""Every promise of the environment, broken by an inner test that must then be red."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.conftest import Inner, InnerRun

BROKEN = '''
import os, signal, socket, subprocess, sys, time
import pytest
from support import service
from seatrial import Listener
from seatrial.network.stub import HttpStub
from seatrial.processes.supervisor import Supervisor
from seatrial.waiting import WATCH, Deadline

KEPT = []

# Logs

def test_warning(environment):
    KEPT.append(environment.start(service('log("WARNING", "disk_nearly_full"); serve()')))

def test_traceback(environment):
    environment.start(service("""
try:
    1 / 0
except ZeroDivisionError:
    import traceback; traceback.print_exc()
serve()"""))

def test_plain_error(environment):
    environment.start(service('os.write(2, b"ERROR: no route\\\\n"); serve()', log_format="plain"))

def test_logged_at_the_very_end(environment):
    environment.start(service("""
def stop(*_):
    log("ERROR", "cannot_flush")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
notify("READY=1")
forever()"""))

# Beginnings

def test_uses_a_process_of_another_test(environment):
    KEPT[0].wait_ready()

def test_ignores_the_socket_it_was_passed(environment):
    http = Listener(name="http", kind="passed", variable="HTTP_ADDR")
    environment.start(service("""
for name in list(os.environ):
    if name.startswith("LISTEN_"): del os.environ[name]
os.close(3)
notify("READY=1", "X_LISTEN_HTTP=127.0.0.1:1")
signal.pause()""", listeners=[http], clean_exits=(-15,)))

def test_reports_no_port(environment):
    grpc = Listener(name="grpc", kind="reported", variable="GRPC_ADDR")
    environment.start(service(listeners=[grpc]))

def test_takes_a_port_that_is_held(environment):
    redis = Listener(name="redis", kind="reserved")
    child = environment.start(service(listeners=[redis]))
    address = child.address("redis")
    with socket.socket() as intruder:
        intruder.bind((address.host, address.port))

# Ends

def test_bad_exit(environment):
    environment.start(service("serve(code=3)"))

def test_needs_a_kill(environment):
    environment.start(service("""
import faulthandler
faulthandler.register(signal.SIGUSR1)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
notify("READY=1")
forever()""", stop_timeout=0.2, stack_dump_signal=signal.SIGUSR1))

DIES = """
def die(*_):
    log("INFO", "last_words")
    os._exit(STATUS)
signal.signal(signal.SIGUSR2, die)
notify("READY=1")
forever()"""

def test_died_unnoticed(environment):
    process = environment.start(service(DIES.replace("STATUS", "4")))
    os.kill(process.pid, signal.SIGUSR2)  # and nobody looks at the process again
    assert WATCH.wait_for(lambda: process.state == "exited", Deadline(5), besides=process)

def test_death_ends_a_wait(environment):
    process = environment.start(service(DIES.replace("STATUS", "5")))
    strikes = iter([lambda: os.kill(process.pid, signal.SIGUSR2)])
    environment.until("the moon to rise", lambda: next(strikes, lambda: None)(), timeout=45)

def test_never_ready(environment):
    environment.start(service('log("INFO", "still_thinking"); signal.pause()', boot_timeout=0.3, clean_exits=(-15,)))

def test_until_says_what_it_saw(environment):
    environment.until("three sails", lambda: [], timeout=0.05)

# Leaks

def test_leaves_a_process(environment):
    subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]).returncode = 0

def test_leaves_a_daemon(environment):
    environment.start(service("""
subprocess.Popen([sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"], start_new_session=True)
serve()"""))

def test_leaves_a_socket(environment):
    environment.kept = socket.create_server(("127.0.0.1", 0))

def test_leaves_a_directory(environment):
    Supervisor.current().temporary_directory("forgotten")

# The teardown goes on

def test_everything_is_checked(environment):
    def one():
        raise AssertionError("first check")
    def two():
        raise AssertionError("second check")
    def three():
        assert environment.processes[0].exit_status is None, "still up"
        raise AssertionError("late check")
    environment.on_teardown(one)
    environment.on_teardown(two)
    environment.on_teardown(lambda: environment.processes[0].pid / 0)
    environment.start(service('log("WARNING", "creaking"); serve(code=7)', name="hull"))
    environment.stub(Harbour()).fake_violation()

class Harbour(HttpStub):
    def fake_violation(self):
        import http.client
        connection = http.client.HTTPConnection(self.address.host, self.address.port)
        connection.request("GET", "/nowhere")
        assert connection.getresponse().status == 404
        connection.close()

def test_stub_violation(environment):
    environment.stub(Harbour()).fake_violation()

def test_body_fails_first(environment):
    environment.start(service('log("ERROR", "consequence"); serve(code=9)', name="hull"))
    assert "the body" == "is the story"

@pytest.fixture
def broken_setup(environment):
    environment.start(service('log("INFO", "reading_charts"); log("ERROR", "no_charts"); sys.exit(78)', name="navigator"))

def test_setup_fails(broken_setup):
    pass

def test_name_is_taken(environment):
    environment.spawn(service(), name="twin")
    environment.spawn(service(), name="twin")

def test_ends_the_shared_store(environment):
    environment.valkey.kill()
'''


@pytest.fixture(scope="module")
def broken(new_inner: Callable[[str], Inner]) -> InnerRun:
    return new_inner(BROKEN).run()


@pytest.mark.parametrize(
    ("test", "when", "said"),
    [
        ("test_warning", "teardown", ["child logged what the test did not allow", "disk_nearly_full"]),
        (
            "test_traceback",
            "teardown",
            ["did not allow", "Traceback (most recent call last)", "ZeroDivisionError"],
        ),
        ("test_plain_error", "teardown", ["did not allow", "ERROR: no route"]),
        ("test_logged_at_the_very_end", "teardown", ["did not allow", "cannot_flush"]),
        ("test_uses_a_process_of_another_test", "call", ["ProcessDied", "exit code 0 after SIGTERM"]),
        ("test_ignores_the_socket_it_was_passed", "call", ["NotReady", "127.0.0.1:1"]),
        ("test_reports_no_port", "call", ["NotReady", "X_LISTEN_GRPC"]),
        ("test_takes_a_port_that_is_held", "call", ["Address already in use"]),
        ("test_bad_exit", "teardown", ["UnexpectedExit", "exit code 3"]),
        ("test_needs_a_kill", "teardown", ["did not end within 0.2 s of SIGTERM", "most recent call first"]),
        ("test_died_unnoticed", "teardown", ["exit code 4", "although nobody asked it to end"]),
        (
            "test_death_ends_a_wait",
            "call",
            ["gave up waiting for the moon to rise", "exit code 5", "last_words"],
        ),
        ("test_never_ready", "call", ["still runs", "before it was ready", "still_thinking"]),
        ("test_until_says_what_it_saw", "call", ["three sails", "Last seen", "[]"]),
        ("test_leaves_a_process", "teardown", ["LeakError", "process: pid"]),
        ("test_leaves_a_daemon", "teardown", ["process: pid"]),
        ("test_leaves_a_socket", "teardown", ["LeakError", "listening socket: ('127.0.0.1'"]),
        ("test_leaves_a_directory", "teardown", ["LeakError", "temporary directory", "forgotten"]),
        ("test_stub_violation", "teardown", ["Harbour", "/nowhere"]),
        ("test_body_fails_first", "call", ["the body"]),
        ("test_setup_fails", "setup", ["navigator", "exit code 78", "reading_charts"]),
        ("test_name_is_taken", "call", ["has a process called 'twin' already (choose another name)"]),
        ("test_ends_the_shared_store", "teardown", ["own_valkey"]),
    ],
)
def test_a_broken_promise_is_red(broken: InnerRun, test: str, when: str, said: list[str]) -> None:
    failure = broken.failure(test)
    assert failure.when == when
    for text in said:
        assert text in failure.message


def test_nothing_passes_that_breaks_a_promise(broken: InnerRun) -> None:
    assert broken.status == pytest.ExitCode.TESTS_FAILED
    assert broken.result.state == "failed"
    assert broken.passed == set()


def test_a_death_ends_the_wait_at_once(broken: InnerRun) -> None:
    (duration,) = [
        slow.duration_s for slow in broken.result.slowest if slow.nodeid.endswith("test_death_ends_a_wait")
    ] or [0]
    assert duration < 20  # the wait itself was for 45 s


def test_every_error_of_a_teardown_is_raised_together(broken: InnerRun) -> None:
    message = broken.failure("test_everything_is_checked").message
    for part in ("first check", "second check", "ZeroDivisionError", "exit code 7", "creaking", "/nowhere"):
        assert part in message
    assert message.index("ZeroDivisionError") < message.index("second check") < message.index("first check")


def test_a_failed_body_stays_the_first_story_and_the_teardown_is_told_as_well(broken: InnerRun) -> None:
    assert "ERROR inner_test.py::test_body_fails_first" not in broken.output
    assert "FAILED inner_test.py::test_body_fails_first" in broken.output
    story = broken.output[broken.output.index("_ test_body_fails_first _") :]
    assert story.index("is the story") < story.index("problems at teardown") < story.index("exit code 9")
    assert "consequence" in story


GREEN = '''
import os, pathlib, socket, time
import pytest
import seatrial
from support import service
from seatrial import Environment, Listener
from seatrial.processes.supervisor import Supervisor

def test_declared_troubles_are_no_trouble(environment):
    process = environment.start(service('log("WARNING", "creaking"); serve(code=3)'))
    process.allow_log("creaking", level="WARNING")
    process.expect_exit(code=3)

def test_two_of_a_kind_get_names(environment):
    first, second = environment.start(service()), environment.start(service())
    assert (first.name, second.name) == ("child", "child-2")
    assert environment.processes == (first, second)
    assert first.log.path.parent == second.log.path.parent == environment.artifacts

def test_start_all_boots_together(environment):
    # Opening either end of a pipe waits for the other end: each boots no further than the other has come.
    meets = """
for mode, pipe in zip(sys.argv[1], sys.argv[2:]): open(pipe, mode).close()
serve()"""
    a, b = str(environment.directory / "a"), str(environment.directory / "b")
    os.mkfifo(a), os.mkfifo(b)
    one, two = environment.start_all(
        service(meets, name="one", arguments=("wr", a, b)), service(meets, name="two", arguments=("rw", a, b))
    )
    assert one.state == two.state == "ready"

def test_users_of_an_address_stop_first(environment):
    log = environment.directory / "order"
    body = """
signal.signal(signal.SIGTERM, lambda *_: (open(os.environ["ORDER"], "a").write(os.environ["ME"] + " "), os._exit(0)))
notify("READY=1")
forever()"""
    def child(name, **variables):
        return service(body, name=name, environment={"ORDER": str(log), "ME": name, **variables},
                       listeners=[Listener(name="http", kind="passed")])
    back = environment.start(child("back"))
    proxy = environment.proxy(back.address("http"))
    environment.start(child("front", BACK=str(proxy.address)))
    def check():
        assert log.read_text() == "front back "
    environment.on_teardown(check, after_stop=True)

def test_directory_is_removed_whatever_is_in_it(environment):
    locked = environment.directory / "locked"
    locked.mkdir()
    (locked / "file").touch()
    locked.chmod(0o500)
    assert environment.directory.is_relative_to(Supervisor.current().directory)

def test_shared_store_first(environment):
    environment.valkey.client().set("left", "over")
    environment.valkey.client().config_set("maxmemory", "12345678")

def test_shared_store_is_empty_again(environment):
    client = environment.valkey.client()
    assert client.dbsize() == 0
    assert client.config_get("maxmemory") == {"maxmemory": "0"}

def test_own_store_may_be_killed(environment):
    store = environment.own_valkey(persistent=True)
    store.client().set("kept", "1")
    store.kill()
    store.restart()
    assert store.client().get("kept") == "1"
    assert store.address != environment.valkey.address

def test_steps_and_until_are_there(environment):
    with environment.step("one"), seatrial.step("two"):
        assert seatrial.until("it", lambda: 3) == 3
    assert [e.detail for e in environment.timeline.events if e.kind == "step_done"] == ["two", "one"]

def test_no_directory_for_nothing(environment):
    assert not list(pathlib.Path('reports').glob('local/artifacts/*/*for_nothing*'))
'''


def test_what_is_allowed_passes_and_leaves_nothing(new_inner: Callable[[str], Inner]) -> None:
    inner = new_inner(GREEN)
    run = inner.run()
    assert run.result.failures == (), run.output
    assert run.status == 0
    assert run.result.counts.passed == 10
    assert not list((inner.root / "reports" / "local" / "artifacts").iterdir())


OUTSIDE = """
import sys
from pathlib import Path
from seatrial import Environment
from support import service

what, *where = sys.argv[1:]
with Environment.open("up", Path(where[0]) if where else None, check=what != "unchecked") as environment:
    child = environment.start(service('log("WARNING", "creaking"); serve()'))
    print(child.pid, environment.artifacts, environment.directory)
    if what == "raises":
        raise RuntimeError("of the caller")
"""


@pytest.mark.parametrize(
    ("what", "status", "said", "kept"),
    [
        ("checked", 1, ["TeardownErrors: 1 problem at the end of up", "UnexpectedLog", "creaking"], True),
        ("unchecked", 0, [], False),
        ("raises", 1, ["RuntimeError: of the caller", "and at the end of up: child logged"], False),
    ],
)
def test_an_environment_outside_pytest_is_taken_down_and_checked_as_well(
    new_inner: Callable[[str], Inner], tmp_path: Path, what: str, status: int, said: list[str], kept: bool
) -> None:
    inner = new_inner("")
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDE, what, *([str(tmp_path / "kept")] if kept else [])],
        cwd=inner.root,
        env=inner.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == status, done.stderr
    for text in said:
        assert text in done.stderr
    pid, artifacts, directory = done.stdout.split()
    assert not Path("/proc", pid).exists()
    assert not Path(directory).exists()
    assert Path(artifacts, "child.log").exists() is kept
