"""Runs that end badly: killed workers, killed runners, Ctrl-C, time limits. Nothing of them is left, and they say so."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.conftest import Inner, InnerRun
from seatrial.waiting import until

TESTS = '''
import os, pathlib, signal, time
import pytest
from support import service

ROOT = pathlib.Path(__file__).parent

def boot(environment, body='log("INFO", "aboard"); serve()', **fields):
    process = environment.start(service(body, **fields))
    (ROOT / "child.tmp").write_text(str(process.pid))
    (ROOT / "child.tmp").rename(ROOT / "child.pid")
    return process

def test_worker_is_killed(environment):
    environment.directory
    boot(environment)
    os.kill(os.getpid(), signal.SIGKILL)

def test_hangs(environment):
    boot(environment)
    signal.pause()

STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
notify("READY=1")
forever()"""

def test_hangs_stubbornly(environment):
    process = boot(environment, STUBBORN, stop_timeout=1.5)
    environment.on_teardown(lambda: (ROOT / "teardown").touch())
    signal.pause()
'''


@pytest.fixture
def inner(new_inner: Callable[[str], Inner]) -> Inner:
    return new_inner(TESTS)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def child_of(inner: Inner) -> int:
    return int((inner.root / "child.pid").read_text())


def test_a_killed_worker_leaks_nothing_and_the_run_is_red(inner: Inner) -> None:
    run = inner.run("-n1", "-k", "killed", plugins=["xdist.plugin"])
    child = child_of(inner)
    until("the child of the killed worker to be gone", lambda: not alive(child), timeout=2)
    assert run.status != 0
    assert run.result.state == "failed"
    failure = run.failure("test_worker_is_killed")
    assert failure.when == "crash"
    assert "aboard" in failure.logs["child"][0]
    assert (run.artifacts("test_worker_is_killed") / "events.jsonl").is_file()
    assert run.result.problems == ("worker gw0 died: Not properly terminated",)


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_time_limit_takes_everything_down(inner: Inner, method: str) -> None:
    run = inner.run(
        "--timeout=1",
        f"--timeout-method={method}",
        "-k",
        "test_hangs and not stubborn",
        plugins=["pytest_timeout"],
    )
    child = child_of(inner)
    until("the child to be gone", lambda: not alive(child), timeout=2)
    assert run.status != 0
    if method == "signal":
        assert "Timeout" in run.failure("test_hangs").message
        assert (run.artifacts("test_hangs") / "child.log").exists()
    else:
        # That method ends the process on the spot: what was written until then is there
        assert run.result.state == "killed"
        assert list((inner.root / run.result.artifacts).glob("*test_hangs*/child.log"))


def interrupted(
    inner: Inner, *arguments: str, number: signal.Signals, then: Callable[[int], None] | None = None
) -> InnerRun:
    """A run whose terminal sends a signal as soon as its child is up."""
    running = subprocess.Popen(
        inner.command(*arguments),
        cwd=inner.root,
        env=inner.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with running:
        try:
            up = inner.root / "child.pid"
            until(
                "the child to be up, or the run's end",
                lambda: up.exists() or running.poll() is not None,
                timeout=30,
            )
            assert up.exists(), running.communicate()[0]
            os.killpg(running.pid, number)
            if then is not None:
                then(running.pid)
            output, _ = running.communicate(timeout=30)
        finally:
            running.kill()
    return InnerRun(inner.root, running.returncode, output)


def test_ctrl_c_takes_everything_down_and_says_so(inner: Inner) -> None:
    run = interrupted(inner, "-k", "test_hangs and not stubborn", number=signal.SIGINT)
    assert not alive(child_of(inner))
    assert run.status == pytest.ExitCode.INTERRUPTED
    assert run.result.state == "interrupted"
    assert "state      INTERRUPTED" in run.output
    assert run.result.counts.total == 0
    (kept,) = (inner.root / run.result.artifacts).glob("*test_hangs*")
    assert "the run was interrupted in this test" in (kept / "failure.txt").read_text()
    assert (kept / "timeline.txt").is_file()


def test_ctrl_c_again_does_not_cut_the_teardown_short(inner: Inner) -> None:
    def again(group: int) -> None:
        until("the teardown to begin", (inner.root / "teardown").exists, timeout=10)
        os.killpg(group, signal.SIGINT)

    run = interrupted(inner, "-k", "stubbornly", number=signal.SIGINT, then=again)
    child = child_of(inner)
    until("the child to be gone", lambda: not alive(child), timeout=2)
    assert run.status == pytest.ExitCode.INTERRUPTED
    assert run.result.state == "interrupted"
    (kept,) = (inner.root / run.result.artifacts).glob("*stubbornly*")
    assert "interrupted by KeyboardInterrupt" in (kept / "failure.txt").read_text()


def test_ctrl_c_ends_the_workers_of_a_run_as_well(inner: Inner) -> None:
    run = interrupted(
        inner, "-n1", "-p", "xdist.plugin", "-k", "test_hangs and not stubborn", number=signal.SIGINT
    )
    child = child_of(inner)
    until("the child to be gone", lambda: not alive(child), timeout=2)
    assert run.status == pytest.ExitCode.INTERRUPTED
    assert run.result.state == "interrupted"


def test_a_killed_runner_leaks_nothing_and_is_known_to_have_been_killed(inner: Inner) -> None:
    run = interrupted(inner, "-k", "test_hangs and not stubborn", number=signal.SIGKILL)
    child = child_of(inner)
    until("the child to be gone", lambda: not alive(child), timeout=1)
    assert run.result.state == "killed"


BESIDE = """
import pytest
from support import service

@pytest.mark.parametrize("n", range(4))
def test_a(environment, n):
    environment.start(service())
    environment.valkey.client().set("n", n)
    assert n != 3
"""


def test_a_suite_runs_beside_itself(inner: Inner) -> None:
    inner.write("inner_test.py", BESIDE)
    runs = [
        subprocess.Popen(
            inner.command(*arguments),
            cwd=inner.root,
            env=inner.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for arguments in (["-n2", "-p", "xdist.plugin"], [])
    ]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [1, 1], outputs
    assert all("1 failed, 3 passed" in output for output in outputs)
    assert len(list((inner.root / "reports" / "local" / "artifacts").glob("*/inner_test.py.test_a-3*"))) == 2
