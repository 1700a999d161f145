"""Nothing is left in the engine, and what is left is red: inner runs that break the promise."""

from collections.abc import Callable

import pytest

from seatrial.conftest import Inner, InnerRun
from seatrial.containers.engine import Engine
from seatrial.containers.ownership import Run
from seatrial.containers.sweep import of_run

pytestmark = pytest.mark.requires("docker")

BROKEN = """
import pathlib, sys
import pytest
from seatrial.containers import ownership

WAITS = ["sh", "-c", "trap 'exit 0' TERM; while true; do sleep 0.02; done"]
ROOT = pathlib.Path(__file__).parent

@pytest.fixture(autouse=True)
def remember_the_run():
    (ROOT / "run").write_text(str(ownership.run()))

def test_touches_nothing(environment):
    assert not {"docker", "requests", "seatrial.containers.wire", "seatrial.containers.engine"} & set(sys.modules)

def test_leaves_a_container(environment):
    environment.engine.client.containers.run("IMAGE", WAITS, detach=True, name=NAME + "-c", labels=environment.engine.labels)

def test_leaves_a_network(environment):
    environment.engine.client.networks.create(NAME + "-n", labels=environment.engine.labels)

def test_leaves_a_volume(environment):
    environment.engine.client.volumes.create(NAME + "-v", labels=environment.engine.labels)

def test_is_not_blamed_for_another_test(environment):
    environment.engine.labels

def test_fails_beside_a_container_of_others(environment):
    environment.engine.adopt(log_format="json", allow_log=["groaning"])
    for word in ("creaking", "groaning"):
        command = ["echo", '{"level":"WARNING","event":"%s"}' % word]
        environment.engine.client.containers.run(
            "IMAGE", command, name=NAME + "-" + word, labels={**environment.engine.labels, "ship": word},
            environment={"API_TOKEN": "hush", "WIND": "north"}, detach=True).wait()
    (mine,) = environment.engine.containers({"ship": "creaking"})
    assert (mine.status, "creaking" in mine.output()) == ("exited", True)
    assert "the body" == "is the story"

def test_lets_others_be_adopted(environment):
    environment.engine.adopt()
    environment.engine.client.containers.create("IMAGE", WAITS, labels=environment.engine.labels)
    environment.engine.client.volumes.create(NAME + "-w", labels=environment.engine.labels)

def test_removes_what_it_made(environment):
    network, volume = environment.network(), environment.volume()
    container = environment.container("IMAGE", command=WAITS, network=network, mounts={"/x": volume})
    assert container in environment.engine.containers()

@pytest.fixture(scope="session")
def forgotten():
    from seatrial.containers.engine import Engine
    engine = Engine.current()
    labels = engine.owner.labels("run")
    engine.client.volumes.create(NAME + "-lasting", labels=labels)
    engine.client.api.tag("IMAGE", NAME, engine.owner.tag("1.0.0"))
    with engine.tagged("IMAGE", NAME, "1.0.1") as reference:
        yield reference

def test_shares_what_outlives_it(environment, forgotten):
    assert environment.engine.engine.image_id(forgotten) is not None
"""


@pytest.fixture(scope="module")
def prepared(new_inner: Callable[[str], Inner], image: str) -> Inner:
    inner = new_inner("")
    name = f"inner-{inner.root.name}-{id(inner)}"
    inner.write("inner_test.py", f"NAME = {name!r}\n{BROKEN.replace('IMAGE', image)}")
    return inner


@pytest.fixture(scope="module")
def broken(prepared: Inner) -> InnerRun:
    return prepared.run()


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("test_leaves_a_container", ["LeakError", "container: inner-", "-c; remove it in the test, or let"]),
        ("test_leaves_a_network", ["LeakError", "network: inner-", "-n; remove it in the test, or let"]),
        ("test_leaves_a_volume", ["LeakError", "volume: inner-", "-v; remove it in the test, or let"]),
    ],
)
def test_a_leak_is_red_and_named_with_its_remedy(broken: InnerRun, test: str, said: list[str]) -> None:
    failure = broken.failure(test)
    assert failure.when == "teardown"
    for text in said:
        assert text in failure.message


def test_only_who_left_something_is_red(broken: InnerRun) -> None:
    assert broken.passed == {
        "test_touches_nothing",
        "test_is_not_blamed_for_another_test",
        "test_lets_others_be_adopted",
        "test_removes_what_it_made",
        "test_shares_what_outlives_it",
    }, broken.output


def test_what_is_left_at_the_end_of_the_run_is_red_and_named(broken: InnerRun) -> None:
    assert broken.status == pytest.ExitCode.TESTS_FAILED
    volume, tag = broken.result.problems
    assert volume.startswith("volume: inner-")
    assert "-lasting, left at the end of the run; close what made it before the run ends" in volume
    assert tag.startswith("image tag: inner-")
    assert ":1.0.0-it-" in tag


def test_nothing_of_the_run_is_there_any_more(broken: InnerRun, engine: Engine) -> None:
    run = Run.parse((broken.root / "run").read_text())
    assert run is not None
    assert of_run(run, engine.wire) == []


def test_a_failed_test_keeps_what_containers_of_others_said_and_were(broken: InnerRun) -> None:
    failure = broken.failure("test_fails_beside_a_container_of_others")
    assert failure.when == "call"
    assert "is the story" in failure.message
    kept = broken.artifacts("test_fails_beside_a_container_of_others")
    (log,) = kept.glob("*-creaking.log")
    assert "creaking" in log.read_text()
    assert any("creaking" in line for lines in failure.logs.values() for line in lines)
    inventory = (kept / "containers.json").read_text()
    assert "WIND=north" in inventory
    assert "API_TOKEN=***" in inventory
    assert "hush" not in inventory
    story = (kept / "failure.txt").read_text()
    assert "creaking logged what the test did not allow" in story
    assert "groaning logged" not in story


BESIDE = """
import pathlib, time
import pytest
from seatrial.waiting import until

HERE = pathlib.Path(__file__).parent

@pytest.mark.parametrize("n", range(2))
def test_a(environment, n):
    # Both have something in the engine while either of them is judged.
    environment.engine.client.volumes.create(f"{NAME}-{n}", labels=environment.engine.labels)
    (HERE / f"made-{n}").touch()
    until("the other", (HERE / f"made-{1 - n}").exists, 20)
    if n == 0:
        return
    until("the other's end", (HERE / "judged").exists, 20)
    (volume,) = environment.engine.client.volumes.list(filters={"name": f"{NAME}-1"})
    volume.remove()

def pytest_runtest_logreport(report): pass
"""
JUDGED = """
import pathlib
import pytest

@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish(nodeid):
    if nodeid.endswith("[0]"):
        pathlib.Path(__file__).with_name("judged").touch()
"""


def test_a_worker_does_not_take_its_neighbours_things_for_its_own(
    new_inner: Callable[[str], Inner], engine: Engine
) -> None:
    inner = new_inner("")
    inner.write("inner_test.py", f"NAME = 'beside-{id(inner)}'\n{BESIDE}")
    inner.write("conftest.py", JUDGED)
    run = inner.run("-n2", plugins=["xdist.plugin"])
    failure = run.failure("test_a[0]")
    assert "volume: beside-" in failure.message
    assert "-1;" not in failure.message
    assert run.result.counts.failed == 1, run.output
    assert engine.image_id("nowhere:1") is None
