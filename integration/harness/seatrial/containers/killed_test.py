"""Runs that are killed: what they had in the engine goes, by their warden or at the latest by the next run."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seatrial.conftest import Inner
from seatrial.containers.engine import Engine
from seatrial.containers.ownership import Run
from seatrial.containers.sweep import of_run
from seatrial.waiting import until

pytestmark = pytest.mark.requires("docker")

LONG = 90.0
"""An engine takes half a second for each of these; beside seven other suites on two cores, thirty times that."""
TESTS = """
import os, pathlib, signal, time
from seatrial.containers import ownership
from seatrial.processes.supervisor import Supervisor

ROOT = pathlib.Path(__file__).parent
WAITS = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.02; done"]

def fill(environment):
    network, volume = environment.network(), environment.volume()
    environment.container("IMAGE", command=WAITS, network=network, mounts={"/x": volume})
    engine = environment.engine
    engine.client.containers.create("IMAGE", WAITS, labels=engine.labels)  # as a service under test would
    engine.client.api.tag("IMAGE", "killed-run", engine.engine.owner.tag("1.0.0"))
    (ROOT / "told.tmp").write_text(f"{ownership.run()} {max(Supervisor.current().own_processes())}")
    (ROOT / "told.tmp").rename(ROOT / "told")

def test_hangs(environment):
    fill(environment)
    signal.pause()

def test_worker_is_killed(environment):
    fill(environment)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def inner(new_inner: Callable[[str], Inner], image: str) -> Inner:
    return new_inner(TESTS.replace("IMAGE", image))


@contextmanager
def half_way(inner: Inner, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], Run, int]]:
    """A run that has things in the engine and goes on, its id, and the pid of its warden."""
    with subprocess.Popen(
        inner.command(*arguments),
        cwd=inner.root,
        env=inner.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            until("things in the engine", (inner.root / "told").exists, LONG)
            text, warden = (inner.root / "told").read_text().split()
            run = Run.parse(text)
            assert run is not None
            yield process, run, int(warden)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def left(engine: Engine, run: Run) -> list[str]:
    return sorted(each.kind for each in of_run(run, engine.wire))


EVERYTHING = ["container", "container", "image tag", "network", "volume"]


def test_a_killed_run_leaves_nothing(inner: Inner, engine: Engine) -> None:
    with half_way(inner, "-k", "hangs") as (process, run, _):
        assert left(engine, run) == EVERYTHING
        process.kill()
        process.wait()
        until("its things to be gone", lambda: not left(engine, run), LONG)


def test_a_run_that_is_killed_with_its_warden_is_swept_by_the_next_one(
    inner: Inner, engine: Engine, new_inner: Callable[[str], Inner]
) -> None:
    with half_way(inner, "-k", "hangs") as (process, run, warden):
        os.kill(warden, signal.SIGKILL)
        process.kill()
        process.wait()
    next_run = new_inner("def test_uses_the_engine(environment):\n    environment.engine.labels\n").run()
    assert next_run.status == 0, next_run.output
    # Another run on this machine may have been the next one.
    assert left(engine, run) == []


def test_a_killed_worker_leaves_nothing_although_its_run_goes_on(inner: Inner, engine: Engine) -> None:
    run = inner.run("-n1", "-k", "worker_is_killed", plugins=["xdist.plugin"])
    assert run.status == pytest.ExitCode.TESTS_FAILED
    its = Run.parse((inner.root / "told").read_text().split()[0])
    assert its is not None
    until("its things to be gone", lambda: not left(engine, its), LONG)


def test_ctrl_c_leaves_nothing(inner: Inner, engine: Engine) -> None:
    with half_way(inner, "-k", "hangs") as (process, run, _):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(LONG)
        assert left(engine, run) == []


ENDS = """
from seatrial.containers import ownership
from seatrial.containers.engine import Engine
engine = Engine.current()
engine.client.volumes.create(labels=engine.owner.labels("run"))
print(ownership.run(), len(engine.client.volumes.list(filters={"label": f"seatrial.run={engine.owner.run}"})))
"""


def test_a_program_that_just_ends_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    text, made = done.stdout.split()
    run = Run.parse(text)
    assert run is not None
    assert made == "1"
    assert left(engine, run) == []
