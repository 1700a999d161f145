"""Real containers on a real engine: what is told about them, and what is red about them."""

import time
from pathlib import Path

import pytest

from seatrial.containers.container import Container
from seatrial.containers.engine import Engine, EngineError, NotThere
from seatrial.containers.handle import ExecFailed
from seatrial.containers.spec import Healthcheck
from seatrial.environment import Environment
from seatrial.errors import NotReady, ProcessDied, UnexpectedExit, UnexpectedLog, WaitTimeout
from seatrial.processes.readiness import LogLine
from seatrial.teardown import TeardownErrors
from seatrial.waiting import until

pytestmark = pytest.mark.requires("docker")

SERVES = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ.get("WORD", "word").encode())
    def log_message(self, *_): pass
print("serving", flush=True)
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""
WAITS = "trap 'exit 0' TERM; echo waiting; while true; do sleep 0.02; done"
ASKS = "import urllib.request; print(urllib.request.urlopen('http://{}:8080', timeout=5).read().decode())"


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_it_serves_in_its_network_and_at_its_published_port(environment: Environment, image: str) -> None:
    network = environment.network()
    server = environment.container(
        image,
        name="server",
        command=["python3", "-c", SERVES],
        environment={"WORD": "ahoy"},
        network=network,
        ports=[8080],
        readiness=LogLine("serving"),
    )
    client = environment.container(image, name="client", command=sh(WAITS), network=network)
    assert client.exec("python3", "-c", ASKS.format("server")).output == "ahoy\n"
    assert client.exec("python3", "-c", ASKS.format(server.ip)).output == "ahoy\n"
    address = server.address(8080)
    from urllib.request import urlopen

    with urlopen(f"http://{address}") as answer:
        assert answer.read() == b"ahoy"
    assert server.exec("hostname").output == "server\n"
    with network.disconnected(server), pytest.raises(ExecFailed, match="client"):
        client.exec("python3", "-c", ASKS.format("server"))
    assert client.exec("python3", "-c", ASKS.format("server")).output == "ahoy\n"


def test_its_life_is_told_by_the_engine(environment: Environment, image: str) -> None:
    container = environment.container(image, name="it", command=sh(WAITS), readiness=LogLine("waiting"))
    container.pause()
    assert container.status == "paused"
    container.resume()
    assert container.stop().code == 0
    container.restart()
    assert container.status == "running"
    container.pause()
    assert container.kill().code == 137
    container.remove()
    assert container.status == "removed"
    assert container.log.text().splitlines() == ["waiting", "waiting"]
    kinds = [event.kind for event in environment.timeline.events if event.source == "it"]
    told = [
        "spawned",
        "ready",
        "pause",
        "unpause",
        "exited",
        "spawned",
        "ready",
        "pause",
        "exited",
        "removed",
    ]
    assert [kind for kind in kinds if kind in told] == told
    broken = [event for event in environment.timeline.events if event.kind in ("fault", "fault_over")]
    assert [(event.source, event.kind, event.detail) for event in broken] == [
        ("it", "fault", "paused"),
        ("it", "fault_over", "paused"),
        ("it", "fault", "paused"),
        ("it", "fault", "killed"),
    ]


def test_it_is_ready_when_its_health_check_says_so_and_not_before(
    environment: Environment, image: str
) -> None:
    script = "trap 'exit 0' TERM; sleep 0.3; touch /tmp/fit; while true; do sleep 0.02; done"
    check = Healthcheck(command=["test", "-e", "/tmp/fit"], interval=0.05)
    container = environment.container(image, command=sh(script), healthcheck=check)
    assert container.health == "healthy"
    assert container.exec("test", "-e", "/tmp/fit").code == 0


def test_it_is_not_ready_when_its_health_check_fails_and_its_words_are_shown(
    environment: Environment, image: str
) -> None:
    check = Healthcheck(command=sh("echo no wind; exit 3"), interval=0.02, retries=2)
    with pytest.raises(NotReady, match=r"(?s)is unhealthy \(its check ended with 3: 'no wind'\).*waiting"):
        environment.container(image, command=sh(WAITS), healthcheck=check)


def test_its_end_before_it_was_ready_is_told_with_its_last_words(
    environment: Environment, image: str
) -> None:
    container = environment.engine.create(
        image, command=sh("echo no charts; exit 78"), readiness=LogLine("never")
    )
    container.expect_exit(78)
    container.start()
    with pytest.raises(ProcessDied, match=r"(?s)exit code 78 although nobody asked it to end.*no charts"):
        container.wait_ready()


def test_its_death_ends_every_wait_at_once(environment: Environment, image: str, tmp_path: Path) -> None:
    script = "while [ ! -e /storm/struck ]; do sleep 0.02; done; echo cracking; exit 5"
    container = environment.container(image, name="mast", command=sh(script), mounts={"/storm": tmp_path})

    def moon() -> bool:
        (tmp_path / "struck").touch()
        return False

    started = time.monotonic()
    with pytest.raises(
        ProcessDied, match=r"(?s)gave up waiting for the moon.*mast \(container .*exit code 5"
    ):
        environment.until("the moon to rise", moon, timeout=45)
    assert time.monotonic() - started < 20  # the wait itself was for 45 s
    container.expect_exit(5)
    container.wait_exit()
    assert container.log.text() == "cracking"


def test_the_kernels_verdict_on_its_memory_is_known(
    environment: Environment, image: str, tmp_path: Path
) -> None:
    # An engine learns of the verdict from the container's control group, and misses it if the group is gone already.
    hog = "python3 -c 'hold = [bytes([n % 255 + 1]) * (1 << 20) for n in range(1000)]'"
    script = f"{hog}; status=$?; while [ ! -e /storm/over ]; do sleep 0.02; done; exit $status"
    container = environment.engine.create(
        image, command=sh(script), memory="24m", mounts={"/storm": tmp_path}
    )
    container.expect_exit(137, out_of_memory=True)
    container.start()
    until("the kernel's verdict", lambda: container._out_of_memory, 20)
    (tmp_path / "over").touch()
    end = container.wait_exit()
    assert (end.code, end.out_of_memory) == (137, True)
    assert str(end) == "exit code 137 (signal 9), out of memory"


def test_its_limits_mounts_and_user_are_what_was_said(
    environment: Environment, image: str, tmp_path: Path
) -> None:
    (tmp_path / "chart").write_text("here be dragons")
    tmp_path.chmod(0o755)
    volume = environment.volume()
    container = environment.container(
        image,
        command=sh(WAITS),
        user="1234:1234",
        memory="64m",
        cpus=0.5,
        pids=50,
        mounts={"/hold": volume, "/also": volume},
        read_only_mounts={"/charts": tmp_path},
        tmpfs=["/tmp"],
        working_directory="/charts",
    )
    assert container.exec("id", "-u").output == "1234\n"
    assert container.exec("cat", "chart").output == "here be dragons"
    assert container.exec("touch", "/charts/x", user="0", check=False).code != 0
    container.exec("touch", "/hold/gold", user="0")
    assert container.exec("ls", "/also").output == "gold\n"
    its = container.inspect()["HostConfig"]
    assert (its["Memory"], its["MemorySwap"]) == (64 << 20, 64 << 20)
    assert (its["NanoCpus"], its["PidsLimit"]) == (500_000_000, 50)


def test_a_command_that_fails_in_it_is_told(environment: Environment, image: str) -> None:
    container = environment.container(image, name="galley", command=sh(WAITS))
    with pytest.raises(ExecFailed, match="cook in galley ended with 3: no fire"):
        container.exec(*sh("echo no fire; exit 3 # cook"))
    assert container.exec("false", check=False).code == 1


# What is red at the end of a test.


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """A directory for an environment whose end is judged within the test."""
    return tmp_path / "artifacts"


def only(caught: pytest.ExceptionInfo[TeardownErrors]) -> Exception:
    (error,) = caught.value.exceptions
    return error


def test_a_bad_exit_is_red(inside: Path, image: str) -> None:
    with pytest.raises(TeardownErrors) as caught, Environment.open("it", inside) as inner:
        inner.container(
            image,
            command=sh("trap 'exit 3' TERM; echo up; while true; do sleep 0.02; done"),
            readiness=LogLine("up"),
        )
    assert isinstance(only(caught), UnexpectedExit)
    assert "exit code 3 after a stop" in str(only(caught))


def test_a_needed_kill_is_red(inside: Path, image: str) -> None:
    with pytest.raises(TeardownErrors) as caught, Environment.open("it", inside) as inner:
        inner.container(image, command=["sleep", "1000"], stop_timeout=0.2)
    assert "did not end within 0.2 s of SIGTERM and had to be killed" in str(only(caught))


def test_a_death_that_nobody_noticed_is_red(inside: Path, image: str) -> None:
    with pytest.raises(TeardownErrors) as caught, Environment.open("it", inside) as inner:
        container = inner.engine.create(image, command=sh("exit 4"))
        container.start()
        container.wait_exit()
    assert "exit code 4 although nobody asked it to end" in str(only(caught))


def test_a_removal_by_somebody_else_is_red_unless_it_was_declared(
    inside: Path, image: str, engine: Engine
) -> None:
    with pytest.raises(TeardownErrors) as caught, Environment.open("it", inside) as inner:
        declared, other = (inner.container(image, command=sh(WAITS)) for _ in range(2))
        declared.expect_exit()
        for each in (declared, other):
            engine.api.remove_container(each.id, force=True)
        declared.wait_removed()
        with pytest.raises(ProcessDied, match=other.name):
            until("anything", lambda: None, 20)
    assert other.name in str(only(caught))


def test_a_warning_in_its_log_is_red_unless_it_was_allowed(inside: Path, image: str) -> None:
    line = '{"level":"WARNING","event":"creaking"}'
    with pytest.raises(TeardownErrors) as caught, Environment.open("it", inside) as inner:
        for allowed in (True, False):
            container = inner.engine.create(
                image, name="hull" if allowed else "deck", command=sh(f"echo '{line}'")
            )
            container.expect_exit(0)
            container.start()
            container.wait_exit()
            if allowed:
                container.allow_log("creaking")
    assert isinstance(only(caught), UnexpectedLog)
    assert str(only(caught)).startswith("deck logged what the test did not allow")


def test_waits_end_in_time_and_say_what_is(environment: Environment, image: str) -> None:
    container = environment.container(image, name="anchor", command=sh(WAITS))
    with pytest.raises(WaitTimeout, match=r"waited 0.05 s for anchor to end, but it is running"):
        container.wait_exit(0.05)
    with pytest.raises(WaitTimeout, match=r"waited 0.05 s for anchor to be removed, but it is running"):
        container.wait_removed(0.05)


# Mistakes.


def test_mistakes_name_the_thing_the_reason_and_the_remedy(environment: Environment, image: str) -> None:
    with pytest.raises(NotThere, match="creating nowhere from nowhere:1: .*[Nn]o such image"):
        environment.container("nowhere:1")
    with pytest.raises(EngineError, match="at most 41 lower case letters"):
        environment.container(image, name="Bad Name")
    with pytest.raises(EngineError, match="'much' is no size of memory"):
        environment.container(image, memory="much")
    with pytest.raises(EngineError, match="(?s)starting typo: the engine refuses: .*nonesuch"):
        environment.container(image, name="typo", command=["nonesuch"])
    container = environment.container(image, name="shut", command=sh(WAITS))
    with pytest.raises(EngineError, match=r"shut does not publish port 80: name it in ports"):
        container.address(80)
    container.stop()
    with pytest.raises(EngineError, match="shut has no address: it is exited"):
        _ = container.ip


def test_a_container_is_what_its_repr_says(environment: Environment, image: str) -> None:
    container = environment.container(image, name="buoy", command=sh(WAITS))
    assert isinstance(container, Container)
    assert repr(container) == f"<Container buoy {container.id[:12]}>"
    assert repr(environment.engine.engine).startswith("<Engine ")
