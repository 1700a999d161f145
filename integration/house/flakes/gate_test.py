"""The gate finds what is flaky, names its seed and repeats it; what is steady passes; a gate that was ended leaves nothing."""

import os
import re
import shlex
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from house.flakes.conftest import Repository
from house.flakes.trial import (
    CANNOT_BE_COLLECTED,
    DIES,
    ENTRY,
    QUARANTINED,
    RELIES_ON_BEING_ALONE,
    RELIES_ON_ORDER,
    SEED,
    STEADY,
    TIMEOUT_S,
    Gate,
    environment,
)
from seatrial.waiting import until

pytestmark = pytest.mark.timeout(TIMEOUT_S + 20)


@pytest.fixture
def gate(repository: Repository) -> Gate:
    return Gate(repository).prepare()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """The gate after a run over modules of every kind."""
    gate = Gate(Repository(tmp_path_factory.mktemp("found") / "repository")).prepare()
    for name, text in (
        ("order", RELIES_ON_ORDER),
        ("alone", RELIES_ON_BEING_ALONE),
        ("uncollected", CANNOT_BE_COLLECTED),
        ("dying", DIES),
        ("quarantined", QUARANTINED),
    ):
        gate.repository.write(f"suite/{name}_test.py", text)
    gate.repository.write("quarantine.toml", ENTRY.format(today=datetime.now(UTC).date()))
    page = gate.root / "reports" / "page.md"
    page.parent.mkdir()
    return gate.run("--all", "--times", "2", "--seed", SEED, variables={"GITHUB_STEP_SUMMARY": str(page)})


def test_modules_that_are_not_flaky_pass(found: Gate) -> None:
    assert found.row("suite/steady_test.py") == ["2", "0"]
    assert [name for name in found.left() if "steady" in name or "quarantined" in name] == []


def test_a_test_that_relies_on_the_order_is_found_with_run_seed_and_artifacts(found: Gate) -> None:
    failure = found.failure("suite/order_test.py::test_second")
    assert found.row("suite/order_test.py") == ["2", "1"]
    ((number, seed),) = re.findall(r"run (\d) \(seed (\d+)\)", failure.message)
    assert failure.message.startswith(f"in 1 of 2 runs: run {number} (seed {seed})\n")
    assert f"--seatrial-seed={seed} suite/order_test.py" in failure.repro
    assert "nobody was here before" in failure.message
    assert failure.artifacts is not None
    assert (found.root / failure.artifacts / "REPRO.txt").is_file()
    for said in (failure.repro, failure.artifacts, f"FAILED {failure.nodeid} (call) in 1 of 2 runs: run"):
        assert said in found.output


def test_the_command_of_a_failure_repeats_that_run(found: Gate) -> None:
    failure = found.failure("suite/order_test.py::test_second")
    done = subprocess.run(
        ["sh", "-c", failure.repro],
        cwd=found.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "FAILED suite/order_test.py::test_second" in done.stdout


def test_a_test_that_relies_on_being_alone_is_found_and_repeated_beside_itself(found: Gate) -> None:
    module = "suite/alone_test.py"
    failure = found.failure(f"{module}::test_takes_the_one_address")
    assert "Address already in use" in failure.message
    assert found.row(module) == ["2", "1"]
    (line,) = re.findall(r"beside themselves: make flakes (ARGS=.*)$", failure.message, re.MULTILINE)
    (argument,) = shlex.split(line)
    words = shlex.split(argument.removeprefix("ARGS="))
    beside = str(2 * (os.cpu_count() or 1))
    assert words == ["--seed", SEED, "--times", "2", "--beside", beside, module]
    again = Gate(found.repository).run(*words)
    assert again.status == 1
    assert again.row(module) == ["2", "1"]


def test_a_module_that_cannot_be_collected_is_red(found: Gate) -> None:
    failure = found.failure("suite/uncollected_test.py")
    assert (failure.when, found.row("suite/uncollected_test.py")) == ("collect", ["2", "2"])
    assert "no_such_module" in failure.message


def test_a_run_that_dies_is_red_and_its_last_words_are_kept(found: Gate) -> None:
    failure = found.failure("suite/dying_test.py")
    assert failure.when == "run"
    assert "pytest ended with -9, killed" in failure.message
    assert failure.artifacts is not None
    assert "seatrial: tier quick" in (found.root / failure.artifacts / "output.txt").read_text()
    assert found.row("suite/dying_test.py") == ["2", "2"]


def test_a_failure_in_quarantine_is_counted_and_not_held_against_the_module(found: Gate) -> None:
    assert found.row("suite/quarantined_test.py") == ["2", "0"]
    assert found.result.counts.quarantined == 2


def test_the_result_adds_up_and_the_job_page_has_the_table(found: Gate) -> None:
    counts = found.result.counts
    assert (found.status, found.result.state, found.result.seed) == (1, "failed", int(SEED))
    assert (counts.passed, counts.quarantined, counts.failed, counts.total) == (4, 2, 6, 12)
    page = (found.root / "reports" / "page.md").read_text()
    assert page.startswith("| module | runs | failed | p50 | max |\n|---|--:|--:|--:|--:|\n")
    assert len(page.splitlines()) == 2 + 6 + 1


def test_modules_that_changed_since_a_commit_run_and_no_others(gate: Gate) -> None:
    gate.repository.write("suite/fresh_test.py", STEADY)
    gate.run("--since", "HEAD", "--times", "2")
    assert (gate.status, gate.result.state) == (0, "passed")
    assert gate.row("suite/fresh_test.py") == ["2", "0"]
    assert "1 module, 2 runs of each, 2 at once" in gate.output
    assert "steady" not in gate.output
    assert gate.left() == []


def test_where_nothing_changed_it_is_green_and_says_so(gate: Gate) -> None:
    gate.repository.commit("suite/readme.md", hours=30)
    gate.run()
    assert gate.status == 0
    assert ": nothing to run" in gate.output
    assert "no test modules that changed since" in gate.output
    assert (gate.result.state, gate.result.counts.total) == ("passed", 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "nowhere"], "--since nowhere: there is no such commit (name a commit, branch or tag"),
        (["nowhere_test.py"], "nowhere_test.py: there is no such file or folder in "),
        ([".."], "..: there is no such file or folder in "),
        (["pytest.ini"], "pytest.ini: no test module that a push runs with seatrial.plugin (name another"),
        (
            ["suite/steady_test.py::test_a"],
            "is a test: a module runs as a whole (write suite/steady_test.py)",
        ),
        (["--times", "0"], "argument --times: '0' is not a whole number from 1 up"),
        (["--minutes", "-1"], "argument --minutes: '-1' is not a number of minutes above 0"),
        (["--all", "--since", "HEAD"], "argument --since: not allowed with argument --all"),
        (["--all", "suite"], "not allowed with argument"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(gate: Gate, arguments: list[str], said: str) -> None:
    gate.run(*arguments)
    assert gate.status == 2
    assert said in gate.output.splitlines()[-1]
    assert "Traceback" not in gate.output


def test_a_quarantine_file_that_is_wrong_is_a_mistake_as_well(gate: Gate) -> None:
    gate.repository.write("quarantine.toml", ENTRY.format(today="tomorrow"))
    gate.run("--all")
    assert (gate.status, len(gate.output.splitlines())) == (2, 1)
    assert "quarantine.toml: " in gate.output


def test_without_an_engine_the_modules_that_need_one_are_red_and_the_others_run(gate: Gate) -> None:
    gate.repository.write("boxes/box_test.py", STEADY)
    gate.repository.write("docker/engine", "#!/bin/sh\necho it is Sunday >&2\nexit 1\n")
    (gate.root / "docker" / "engine").chmod(0o755)
    gate.run("--all", "--times", "1")
    assert gate.status == 1
    assert "it is Sunday" in gate.output
    assert (
        gate.result.problems[0]
        == "1 modules need containers: no container engine can be used here: see above"
    )
    assert (gate.row("suite/steady_test.py"), gate.row("boxes/box_test.py")) == (["1", "0"], ["0 of 1", "0"])


CHILD = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
"""
HANGS = f"""
import os, pathlib, sys
from seatrial import Command, Environment, LogLine, Service, until

HERE = pathlib.Path(__file__).parent
CHILD = Service(
    name="child",
    binary=Command(sys.executable, "-I", "-S", "-c", {CHILD!r}),
    log_format="plain",
    readiness=LogLine("ready"),
)

def test_a(environment: Environment) -> None:
    child = environment.start(CHILD)
    (HERE / "new").write_text(f"{{os.getpid()}} {{child.pid}}")
    (HERE / "new").rename(HERE / f"{{os.getpid()}}.asked")
    until("the end of time", lambda: False, timeout=100)
"""


def test_a_module_that_did_not_get_its_runs_in_time_is_red_and_named(gate: Gate) -> None:
    gate.repository.write("suite/hanging_test.py", HANGS)
    gate.run("suite/hanging_test.py", "suite/steady_test.py", "--times", "2", "--minutes", "0.05")
    assert (gate.status, gate.result.state) == (1, "failed")
    modules = "suite/hanging_test.py suite/steady_test.py"
    assert gate.result.problems == (
        f"2 of 2 modules did not get their 2 runs in 0.05 min (by hand: make flakes ARGS='--minutes 0.2 {modules}')",
    )
    assert [gate.row(module) for module in modules.split()] == [["0 of 2", "0"]] * 2
    assert gate.left() == []


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_nothing_is_left_of_a_gate_that_is_ended(gate: Gate, number: signal.Signals, status: int) -> None:
    gate.repository.write("suite/hanging_test.py", HANGS)
    asked = gate.root / "suite"
    started = subprocess.Popen(
        gate.command("--beside", "2", "suite/hanging_test.py"),
        cwd=gate.root,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with started:
        try:
            until(
                "two runs with a child each, or the end",
                lambda: len(list(asked.glob("*.asked"))) == 2 or started.poll() is not None,
                timeout=60,
            )
            assert started.poll() is None, started.communicate()[0]
            pids = [int(pid) for file in asked.glob("*.asked") for pid in file.read_text().split()]
            os.kill(started.pid, number)
            gate.output, _ = started.communicate(timeout=60)
        finally:
            started.kill()
    assert started.returncode == status, gate.output
    assert len(pids) == 4
    until("every run and its child to be gone", lambda: not any(map(running, pids)), timeout=10)
    result = gate.read()
    assert result is not None
    assert result.state == ("killed" if number is signal.SIGKILL else "interrupted")
    if number is not signal.SIGKILL:
        assert gate.row("suite/hanging_test.py") == ["0 of 20", "0"]
        assert gate.left() == []
        assert "Traceback" not in gate.output
