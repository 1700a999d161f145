"""The real command, as a subprocess, in repositories that are well, sick, or none."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.results.reports import Counts, Failure, RunResult, SkipCount, write
from seatrial.waiting import until

TIERS = """
[environment.suite]
[tier.quick]
purpose = "what a push runs"
triggers = ["push"]
budget = "60 s"
capabilities = {{ {capability} = ["local", "ci"] }}
[[tier.quick.run]]
environment = "suite"
paths = ["suite"]
[tier.slow]
purpose = "what a night runs"
triggers = ["nightly"]
budget = "10 min"
skips = 3
capabilities = {{ "python3.11" = [], real_redis = ["ci"] }}
[[tier.slow.run]]
environment = "suite"
paths = ["suite"]
"""
PROJECT = """
[tool.seatrial]
pythonpath = ["suite"]
[tool.seatrial.topologies]
shop = "shop:boot"
dying = "shop:dying"
broken = "shop:no_such_function"
lost = "no_such_module:boot"
"""
SHOP = '''
import sys
from seatrial import Command, Environment, Listener, LogLine, Service, TcpProbe

SERVER = """
import json, signal, socket, sys, time
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
record = {{"ts": "2026-01-02T03:04:05.678Z", "level": "INFO", "event": "open", "till": 3, "note": "[bold]as it is[/bold]"}}
print(json.dumps(record), flush=True)
print("a plain line", flush=True)
while True:
    listening.accept()[0].close()
"""
TILL = Service(
    name="till",
    binary=Command(sys.executable, "-c", SERVER),
    arguments=["{http.port}"],
    listeners=[Listener(name="http", kind="reserved")],
    readiness=TcpProbe("http"),
)

def boot(environment):
    return environment.start(TILL)

def dying(environment):
    dies = Command(sys.executable, "-c", "import sys; print('no bread'); sys.stdin.read(); sys.exit(3)")
    environment.start(TILL)
    environment.spawn(Service(name="oven", binary=dies, readiness=LogLine("bread"), log_format="plain"))
'''.replace("{{", "{").replace("}}", "}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two tiers and four topologies."""
    root = tmp_path / "repository"
    for directory in ("suite", "requirements", "below"):
        (root / directory).mkdir(parents=True)
    (root / "tiers.toml").write_text(TIERS.format(capability='"python3.11"'))
    (root / "requirements" / "suite.txt").write_text("")
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "suite" / "shop.py").write_text(SHOP)
    return root


def environment(**changes: str) -> Mapping[str, str]:
    dropped = ("CI", "NO_COLOR", "FORCE_COLOR", "INTEGRATION_REAL_REDIS_ADDR", "COLUMNS")
    return {name: value for name, value in os.environ.items() if name not in dropped} | changes


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from seatrial.cli.main import main; main()", *arguments]


def seatrial(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=directory,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def result(tier: str, **changes: object) -> RunResult:
    passed = RunResult(
        tier=tier, state="passed", started_at="2026-01-02T03:04:05Z", duration_s=75.0, counts=Counts(passed=4)
    )
    return replace(passed, **changes)  # type: ignore[arg-type]


FAILURE = Failure(
    nodeid="suite/shop_test.py::test_bread[rye]",
    when="call",
    message="AssertionError: no bread\nassert 0 == 1",
    repro="python -m pytest 'suite/shop_test.py::test_bread[rye]'",
    artifacts="reports/quick/artifacts/1/test_bread",
    logs={"oven": [f"line {number}" for number in range(30)]},
)


def test_doctor_says_what_can_run(root: Path) -> None:
    ran = seatrial(root / "below", "doctor")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^quick can run \[push\] what a push runs$", ran.stdout, re.MULTILINE)
    assert re.search(r"^ +ok +python: 3\.", ran.stdout, re.MULTILINE)
    assert re.search(
        r"^ +missing +real_redis: .*not set.*are skipped.*INTEGRATION_REAL_REDIS_ADDR=",
        ran.stdout,
        re.MULTILINE,
    )
    assert "\x1b" not in ran.stdout


def test_doctor_in_another_lane_finds_another_tier_unfit_but_no_push_tier(root: Path) -> None:
    ran = seatrial(root, "doctor", CI="true")
    assert ran.returncode == 0
    assert re.search(r"^slow cannot run \[nightly\]", ran.stdout, re.MULTILINE)
    assert re.search(r"^ +MISSING +real_redis: .*mandatory in lane ci", ran.stdout, re.MULTILINE)


@pytest.mark.parametrize("sickness", ["capability", "lock", "path"])
def test_doctor_fails_when_a_push_tier_cannot_run(root: Path, sickness: str) -> None:
    match sickness:
        case "capability":
            (root / "tiers.toml").write_text(TIERS.format(capability="real_redis"))
        case "lock":
            (root / "requirements" / "suite.txt").unlink()
        case _:
            (root / "suite").rename(root / "sweet")
    ran = seatrial(root, "doctor")
    assert ran.returncode == 1
    assert "quick cannot run" in ran.stdout
    assert "MISSING" in ran.stdout


def test_doctor_names_a_missing_store_and_its_remedy(root: Path) -> None:
    ran = seatrial(root, "doctor", SEATRIAL_VALKEY_BIN="/nowhere/valkey-server")
    assert "SEATRIAL_VALKEY_BIN=/nowhere/valkey-server is no executable; name a" in ran.stdout


def test_tiers_shows_each_last_result(root: Path) -> None:
    skips = (SkipCount(capability="docker", reason="no engine", count=2),)
    slow = result("slow", state="failed", counts=Counts(passed=1, failed=1, skipped=2), skips=skips)
    write(slow, root / "reports")
    ran = seatrial(root, "tiers")
    assert ran.returncode == 0, ran.stderr
    quick_row, slow_row = ran.stdout.splitlines()[1:3]
    assert re.match(r"quick +push +60 s +never ran", quick_row)
    assert re.match(
        r"slow +nightly +10 min +failed +1 min 15 s +1 +1 +2 +\d+ d ago +what a night runs", slow_row
    )
    assert "slow: 2 skipped for want of docker: no engine" in ran.stdout
    write(replace(slow, tier="quick", budget_s=60.0), root / "reports")
    assert "1 min 15 s (over budget)" in seatrial(root, "tiers").stdout


def test_a_damaged_result_is_one_line_with_a_remedy(root: Path) -> None:
    write(result("quick"), root / "reports").write_text("{")
    for arguments in (["tiers"], ["why"]):
        ran = seatrial(root, *arguments)
        assert ran.returncode == 1
        assert re.fullmatch(r"error: .*result\.json: .*delete it.*\n", ran.stderr)


def test_why_tells_the_whole_story(root: Path) -> None:
    failed = result(
        "quick",
        state="failed",
        counts=Counts(passed=3, failed=1),
        failures=(FAILURE,),
        seed=77,
        command="pytest suite",
    )
    write(failed, root / "reports")
    write(result("slow", started_at="2026-03-02T03:04:05Z"), root / "reports")
    ran = seatrial(root, "why")
    assert ran.returncode == 1
    told = ran.stdout
    for part in (
        "quick failed",
        "1 failed, 3 passed, 0 skipped",
        "seed 77",
        FAILURE.nodeid,
        FAILURE.message,
        "line 29",
        FAILURE.repro,
    ):
        assert part in told
    assert f"artifacts: {FAILURE.artifacts}" in told
    assert "line 5\n" not in told


def test_why_of_a_killed_run_says_so(root: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write(result("quick", state="running", pid=ended.pid), root / "reports")
    ran = seatrial(root, "why")
    assert ran.returncode == 1
    assert "quick killed" in ran.stdout
    assert "did not come to its end" in ran.stdout


def test_why_is_content_when_nothing_failed(root: Path) -> None:
    write(result("quick"), root / "reports")
    ran = seatrial(root, "why")
    assert (ran.returncode, ran.stdout) == (0, "no failure on record: quick passed\n")
    ran = seatrial(root, "why", "slow")
    assert ran.returncode == 0
    assert re.match(r"no result of tier slow in .*: run it, then ask again\n", ran.stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["why", "quikc"], r"error: .*tiers\.toml: tier\.quikc: no such tier \(known: quick, slow\)\n"),
        (["up", "shoop"], r"error: no topology 'shoop': known are broken, dying, lost, shop\n"),
        (
            ["up", "broken"],
            r"error: topology 'broken' is .* has no function 'no_such_function'; correct it\n",
        ),
        (
            ["up", "lost"],
            r"error: topology 'lost' is .*No module named 'no_such_module'; correct it.*pythonpath.*\n",
        ),
    ],
)
def test_a_mistake_is_one_line_with_a_remedy(root: Path, arguments: list[str], message: str) -> None:
    ran = seatrial(root, *arguments)
    assert ran.returncode == 1
    assert re.fullmatch(message, ran.stderr)
    assert ran.stdout == ""


@pytest.mark.parametrize("arguments", [["why"], ["up", "shop"]])
def test_outside_a_repository_it_says_where_to_go(tmp_path: Path, arguments: list[str]) -> None:
    ran = seatrial(tmp_path, *arguments)
    assert ran.returncode == 1
    assert re.fullmatch(
        r"error: no tiers\.toml and no pyproject\.toml in .*: go into a repository\n", ran.stderr
    )


def test_colour_is_for_terminals(root: Path) -> None:
    assert "\x1b[" in seatrial(root, "tiers", FORCE_COLOR="1").stdout
    assert "\x1b[3" not in seatrial(root, "tiers", FORCE_COLOR="1", NO_COLOR="1").stdout


# -- up


class Up:
    """A running `seatrial up`."""

    def __init__(self, root: Path, name: str) -> None:
        self.output = root / "output"
        self.errors = root / "errors"
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command("up", name), cwd=root, env=environment(), stdout=output, stderr=errors
            )

    def text(self) -> str:
        return self.output.read_text()


def children(pid: int) -> list[int]:
    """The children of a process, its warden among them."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def alive(pid: int) -> bool:
    try:
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_boots_shows_and_stops_leaving_nothing(root: Path, number: signal.Signals) -> None:
    (root / "reports" / "up" / "shop").mkdir(parents=True)
    (root / "reports" / "up" / "shop" / "till.log").write_text("of yesterday\n")
    shop = Up(root, "shop")
    try:
        until("the logs", lambda: "a plain line" in shop.text(), timeout=30.0)
        text = shop.text()
        assert re.search(r"^process +pid +ready after +listener +address", text, re.MULTILINE)
        assert re.search(r"^till +\d+ +\d+ ms +http +127\.0\.0\.1:\d+", text, re.MULTILINE)
        assert re.search(
            r"^till \| 03:04:05\.678 INFO +open till=3 note=\[bold\]as it is\[/bold\]$", text, re.MULTILINE
        )
        assert "shop is up; logs in " in text
        assert "of yesterday" not in text
        started = children(shop.process.pid)
        assert len(started) >= 2
        shop.process.send_signal(number)
        assert shop.process.wait(20) == 0, shop.errors.read_text()
        assert shop.text().endswith("stopping shop\nshop is stopped\n")
        assert shop.errors.read_text() == ""
        assert not [pid for pid in started if alive(pid)]
        assert "a plain line" in (root / "reports" / "up" / "shop" / "till.log").read_text()
    finally:
        shop.process.kill()
        shop.process.wait()


def test_up_ends_when_something_dies_and_says_what(root: Path) -> None:
    ran = seatrial(root, "up", "dying")
    assert ran.returncode == 1
    assert "oven | no bread" in ran.stdout
    assert re.match(r"error: oven .*exit code 3", ran.stderr)
    assert "Traceback" not in ran.stderr
