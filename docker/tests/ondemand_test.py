"""docker/engine as a person and CI call it, beside a daemon that is played by a script: no real engine is touched."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires("docker")

# Only root may start an engine; everybody is root in a user namespace of his own.
root = pytest.mark.requires("docker" if os.geteuid() == 0 else "userns")
AS_ROOT = [] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user"]

ENGINE = Path(__file__).parents[1] / "engine"
DAEMON = f"""#!{sys.executable}
import os, socket, sys
host = sys.argv[sys.argv.index("--host") + 1].removeprefix("unix://")
open(host + ".starts", "a").write("started\\n")
if "--broken" in sys.argv:
    sys.exit("failed to start daemon: no devices cgroup")
with socket.socket(socket.AF_UNIX) as listening:
    listening.bind(host)
    listening.listen()
    while True:
        connection, _ = listening.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nApi-Version: 1.41\\r\\nContent-Length: 2\\r\\n\\r\\nOK")
        connection.close()
"""


class Machine:
    """A machine with a docker client and a daemon of its own on PATH."""

    def __init__(self, place: Path) -> None:
        self.socket = place / "docker.sock"
        self.state = place / "state"
        programs = place / "bin"
        programs.mkdir()
        for name, text in (("dockerd", DAEMON), ("docker", "#!/bin/sh\nexit 1\n")):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "DOCKER_HOST": f"unix://{self.socket}",
            "SEATRIAL_ENGINE_STATE": str(self.state),
        }

    def begin(self, *words: str, **more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*AS_ROOT, ENGINE, *words],
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def engine(self, *words: str, **more: str) -> tuple[int, str]:
        process = self.begin(*words, **more)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said

    @property
    def starts(self) -> int:
        """How often a daemon was started."""
        log = Path(f"{self.socket}.starts")
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.engine("down")


def test_nothing_there_is_said_with_a_remedy(machine: Machine) -> None:
    status, said = machine.engine("status")
    assert status == 1
    assert f"{machine.socket} is not there" in said
    assert "remedy: run `docker/engine up`" in said
    assert machine.starts == 0


@root
def test_up_starts_one_and_down_stops_it(machine: Machine) -> None:
    assert machine.engine("up")[0] == 0
    status, said = machine.engine("status")
    assert (status, machine.starts) == (0, 1)
    assert "docker/engine has started it" in said
    assert machine.engine("up")[0] == 0
    assert machine.starts == 1
    assert machine.engine("down")[0] == 0
    assert machine.engine("status")[0] == 1
    assert "stops none" in machine.engine("down")[1]


@root
def test_many_at_the_same_time_start_one(machine: Machine) -> None:
    several = [machine.begin("up") for _ in range(4)]
    assert [process.wait(60) for process in several] == [0] * 4
    for process in several:
        process.communicate()
    assert machine.starts == 1


@root
def test_a_daemon_that_dies_is_told_at_once_with_its_last_words(machine: Machine) -> None:
    status, said = machine.engine("up", SEATRIAL_DOCKERD_FLAGS="--broken")
    assert status == 1
    assert "no devices cgroup" in said
    assert "dockerd ended" in said
    assert "stops none" in machine.engine("down")[1]


@root
def test_down_leaves_a_process_alone_that_only_has_the_same_pid(machine: Machine) -> None:
    assert machine.engine("up")[0] == 0
    state = machine.state / "started.json"
    foreign = subprocess.Popen(["sleep", "60"])
    try:
        kept = state.read_text()
        state.write_text(f'{{"pid": {foreign.pid}, "started": "1", "unit": ""}}')
        assert "stops none" in machine.engine("down")[1]
        assert foreign.poll() is None
        state.write_text(kept)
    finally:
        foreign.send_signal(signal.SIGKILL)
        foreign.wait()


@root
def test_an_engine_that_somebody_else_has_started_is_used_and_not_stopped(machine: Machine) -> None:
    other = {"SEATRIAL_ENGINE_STATE": str(machine.state.with_name("other"))}
    assert machine.engine("up", **other)[0] == 0
    assert machine.engine("up")[0] == 0
    assert machine.starts == 1
    assert "stops none" in machine.engine("down")[1]
    assert machine.engine("status")[0] == 0
    assert machine.engine("down", **other)[0] == 0


def test_an_address_elsewhere_is_never_started(machine: Machine) -> None:
    status, said = machine.engine("up", DOCKER_HOST="tcp://127.0.0.1:9")
    assert status == 1
    assert "correct DOCKER_HOST" in said or "docker/engine up" in said
    assert machine.starts == 0


def test_the_scripts_can_be_executed() -> None:
    for name in ("engine", "base"):
        assert (ENGINE.parent / name).stat().st_mode & stat.S_IXOTH
