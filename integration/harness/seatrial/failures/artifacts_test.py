"""What a failure leaves, what a success does not, and that it is enough to understand and to repeat it."""

import fcntl
import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.conftest import Inner, InnerRun
from seatrial.failures.artifacts import RunArtifacts, TestArtifacts, safe_name

TESTS = '''
import faulthandler, signal
import pytest
from seatrial.network.stub import HttpStub, Response, route
from support import service

class Post(HttpStub):
    @route("POST", "/letters")
    def letter(self, request):
        return Response(202)

BODY = """
import faulthandler
faulthandler.register(signal.SIGUSR1)
for n in range(30):
    log("INFO", f"line_{n}")
serve()"""

def voyage(environment):
    environment.start(service(
        BODY, name="ship", stack_dump_signal=signal.SIGUSR1,
        environment={"SHIP_API_KEY": "hunter2", "SHIP_DB_URL": "redis://u:hunter2@h:1/0", "SHIP_NAME": "Argo"},
    ))
    post = environment.stub(Post())
    import http.client
    connection = http.client.HTTPConnection(post.address.host, post.address.port)
    connection.request("POST", "/letters", b"{}", {"Content-Type": "application/json"})
    connection.getresponse().read()
    connection.close()

@pytest.mark.parametrize("cargo", ["gold & silver/../x"])
def test_sinks(environment, rng, cargo):
    voyage(environment)
    with environment.proxy(environment.stubs[0].address).delayed(0.1), environment.stubs[0].failing(500):
        pass
    with environment.step("rounding the cape"):
        assert rng.random() == "calm", "storm"

def test_arrives(environment):
    voyage(environment)

def test_chance(rng):
    print("chance", rng.random())

def test_no_environment():
    raise AssertionError("on land")

@pytest.fixture
def refit(environment):
    voyage(environment)
    raise RuntimeError("no timber")

def test_setup(refit): ...
'''


@pytest.fixture(scope="module")
def inner(new_inner: Callable[[str], Inner]) -> Inner:
    return new_inner(TESTS)


@pytest.fixture(scope="module")
def run(inner: Inner) -> InnerRun:
    return inner.run(
        "--seatrial-seed=42",
        variables={"INTEGRATION_REAL_REDIS_PASSWORD": "hunter2", "INTEGRATION_SIZE": "9"},
    )


@pytest.fixture(scope="module")
def kept(run: InnerRun) -> Path:
    return run.artifacts("test_sinks[gold & silver/../x]")


def test_only_failures_leave_a_directory_each_with_a_safe_name(run: InnerRun, kept: Path) -> None:
    names = [path.name for path in kept.parent.iterdir() if path.is_dir()]
    assert len(names) == 3
    assert not [name for name in names if "arrives" in name]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    assert kept.is_relative_to(run.root / "reports" / "local" / "artifacts")


def test_everything_is_there(kept: Path) -> None:
    assert {path.name for path in kept.iterdir()} == {
        "REPRO.txt",
        "configuration.json",
        "failure.txt",
        "ship.log",
        "ship.stacks.txt",
        "timeline.html",
        "timeline.jsonl",
        "timeline.txt",
    }
    assert "most recent call first" in (kept / "ship.stacks.txt").read_text()
    assert "storm" in (kept / "failure.txt").read_text()
    assert len((kept / "ship.log").read_text().splitlines()) > 30


def test_no_secret_is_kept(kept: Path) -> None:
    environment = json.loads((kept / "configuration.json").read_text())["processes"]["ship"]["environment"]
    assert environment == {
        "SHIP_API_KEY": "***",
        "SHIP_DB_URL": "redis://u:***@h:1/0",
        "SHIP_NAME": "Argo",
    }
    assert not [path for path in kept.iterdir() if "hunter2" in path.read_text()]


def test_the_timeline_merges_test_process_log_and_stub_in_order(kept: Path) -> None:
    events = [json.loads(line) for line in (kept / "timeline.jsonl").read_text().splitlines()]
    assert [event["at_s"] for event in events] == sorted(event["at_s"] for event in events)
    seen = [(event["source"], event["event"]) for event in events]
    for one, other in [
        (("test", "start"), ("ship", "spawned")),
        (("ship", "spawned"), ("ship", "log")),
        (("ship", "log"), ("ship", "ready")),
        (("ship", "ready"), ("Post", "call")),
        (("Post", "call"), ("Post", "fault")),
        (("Post", "fault"), ("Post", "fault_over")),
        (("Post", "fault_over"), ("test", "step")),
        (("test", "step"), ("test", "step_failed")),
        (("test", "step_failed"), ("test", "failed")),
        (("test", "failed"), ("ship", "exited")),
        (("ship", "exited"), ("test", "end")),
    ]:
        assert seen.index(one) < seen.index(other)
    details = [event.get("detail") for event in events]
    assert {"POST /letters -> 202", "failing", "delayed 0.1 s both"} <= set(details)
    assert "rounding the cape" in (kept / "timeline.txt").read_text()


def test_the_report_shows_the_path_the_command_and_the_last_lines_of_each_log(
    run: InnerRun, kept: Path
) -> None:
    story = run.output[run.output.index("_ test_sinks") : run.output.index("_ test_no_environment _")]
    assert str(kept.relative_to(run.root)) in story
    assert "repeat: " in story
    assert "stacks: ship.stacks.txt" in story
    shown = story[story.index("last lines of ship") :]
    assert '"line_29"' in shown
    assert '"line_5"' not in shown
    assert "most recent call first" not in shown
    tail = run.failure("test_sinks[gold & silver/../x]").logs["ship"]
    assert len(tail) == 20
    assert any('"line_15"' in line for line in tail)


def test_a_set_up_that_fails_leaves_as_much(run: InnerRun) -> None:
    assert run.failure("test_setup").when == "setup"
    assert "no timber" in (run.artifacts("test_setup") / "failure.txt").read_text()
    assert (run.artifacts("test_setup") / "ship.log").is_file()
    assert '"line_29"' in run.output[run.output.index("ERROR at setup of test_setup") :]


def test_the_command_in_repro_repeats_the_same_test_with_the_same_chance(
    inner: Inner, run: InnerRun, kept: Path
) -> None:
    lines = (kept / "REPRO.txt").read_text().splitlines()
    assert "seed 42" in lines[1]
    assert "CPython 3." in lines[1]
    assert "# INTEGRATION_REAL_REDIS_PASSWORD=***" in lines
    command = lines[-1]
    for part in ("INTEGRATION_SIZE=9", "-p seatrial.plugin", "--seatrial-seed=42"):
        assert part in command
    done = subprocess.run(
        ["/bin/sh", "-c", "\n".join([*lines, ""])],
        env=inner.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    first = re.search(r"assert (0\.\d+) == 'calm'", run.output)
    again = re.search(r"assert (0\.\d+) == 'calm'", done.stdout)
    assert first
    assert again
    assert first[1] == again[1]
    assert shlex.split(command)[-1] == "inner_test.py::test_sinks[gold & silver/../x]"


def test_the_seed_decides_and_is_shown(inner: Inner, run: InnerRun) -> None:
    def chance(output: str) -> object:
        return re.findall(r"^chance (0\.\d+)$", output, re.MULTILINE)[0]

    again = inner.run("--seatrial-seed=42", "-k", "chance")
    other = inner.run("-k", "chance")
    assert chance(run.output) == chance(again.output) != chance(other.output)
    assert "seatrial: tier local, seed 42" in run.output
    assert f"seed {other.result.seed}" in other.output


def test_another_place_can_be_chosen(new_inner: Callable[[str], Inner], tmp_path: Path) -> None:
    inner = new_inner("def test_a(): assert 0\n")
    run = inner.run(f"--seatrial-artifacts={tmp_path / 'kept'}", f"--seatrial-reports={tmp_path / 'told'}")
    assert run.status == 1
    assert (tmp_path / "told" / "local" / "result.json").is_file()
    assert list((tmp_path / "kept").glob("*/inner_test.py.test_a-*/REPRO.txt"))
    assert not (inner.root / "reports").exists()


def test_names_are_safe_short_and_unique() -> None:
    assert safe_name("a/b_test.py::test_c").startswith("a.b_test.py.test_c-")
    names = {safe_name(f"a_test.py::test[{n * '/'}]") for n in range(300)}
    assert len(names) == 300
    assert max(map(len, names)) < 120
    assert not [name for name in names if name.startswith((".", "-")) or "/" in name]


def test_the_same_test_twice_gets_two_directories(tmp_path: Path) -> None:
    run = RunArtifacts(tmp_path, "run")
    assert TestArtifacts(run, "a_test.py::test").path != TestArtifacts(run, "a_test.py::test").path


def test_old_runs_are_pruned_and_live_ones_are_not(tmp_path: Path) -> None:
    for name in ("1", "2", "3", "4"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".running").touch()
    (tmp_path / "0-not-a-run").mkdir()
    current = RunArtifacts(tmp_path, "5")
    current.hold()
    with (tmp_path / "1" / ".running").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert [path.name for path in current.prune(keep=1)] == ["3", "2"]
    assert {path.name for path in tmp_path.iterdir()} == {"0-not-a-run", "1", "4", "5"}
    current.release()
    assert not (tmp_path / "5").exists()
