"""What do runs leave in a container engine, and what does it cost to leave nothing, or to build nothing?"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial import until
from seatrial.containers.image import ContainerImage, Files
from seatrial.containers.ownership import RUN_LABEL, Run
from seatrial.containers.sweep import Thing, of_run, things
from seatrial.containers.wire import Wire, find
from series import Target

pytestmark = pytest.mark.requires("docker")

RUNNER = Path(__file__).parent / "runners" / "moored.py"
ROUNDS = 50
EVERY_KILLED = 5
BUILDS = 100


@pytest.fixture(scope="module")
def wire() -> Wire:
    """The engine, in nobody's name."""
    return Wire(find())


@pytest.fixture(scope="module")
def image(wire: Wire) -> str:
    """A small image with a shell: named by SEATRIAL_TEST_IMAGE, else `seatrial-base`."""
    named = os.environ.get("SEATRIAL_TEST_IMAGE")
    found = wire.ask("GET", "/images/json", filters={"reference": ["seatrial-base"]}).json()
    if named is None and not found:
        pytest.fail(
            "no image seatrial-base: make it (make docker-base), or name another in SEATRIAL_TEST_IMAGE"
        )
    return named or str(found[0]["RepoTags"][0])


def test_what_fifty_runs_leave_of_which_ten_are_killed(
    record: Any, rounds: Any, clock: Callable[[], float], wire: Wire, image: str
) -> None:
    """Each has a container, a network, a volume and a tag; killed ones are counted from SIGKILL to the last of them gone."""
    runs: list[Run] = []
    ended: list[float] = []
    killed: list[float] = []

    def left() -> list[Thing]:
        return [thing for thing in things(wire, RUN_LABEL) if thing.run in runs]

    for number in rounds(ROUNDS):
        with subprocess.Popen(
            [sys.executable, str(RUNNER), image], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as runner:
            assert runner.stdin is not None
            assert runner.stdout is not None
            run = Run.parse(runner.stdout.readline().strip())
            assert run is not None
            runs.append(run)
            assert len(of_run(run, wire)) == 4
            at = clock()
            if number % EVERY_KILLED == EVERY_KILLED - 1:
                runner.kill()
                runner.wait()
                until("nothing of the killed run to be left", lambda: not of_run(runs[-1], wire), timeout=20)
                killed.append(clock() - at)
            else:
                runner.stdin.close()
                assert runner.wait() == 0
                ended.append(clock() - at)
    assert left() == [], f"left by {len(runs)} runs, {len(killed)} of them killed"
    record("the end of a run with a container, a network, a volume and a tag", "seatrial", ended)
    if killed:
        record(
            "SIGKILL of such a run to nothing of it left in the engine", "seatrial", killed, Target(p50=5000)
        )


def test_an_image_that_was_built_before(
    record: Any,
    rounds: Any,
    clock: Callable[[], float],
    image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A context of 200 files: what a build costs when nothing has changed."""
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "source"
    source.mkdir()
    for number in range(200):
        (source / f"{number}.py").write_text(f"number = {number}\n" * 100)
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY . /source\n")
    spec = ContainerImage(
        name="seatrial-bench/image", dockerfile=dockerfile, parts=(Files(source),), base=image
    )
    reference = spec.resolve()
    samples: list[float] = []
    try:
        for _ in rounds(BUILDS):
            at = clock()
            assert replace(spec).resolve() == reference
            samples.append(clock() - at)
    finally:
        Wire(find()).ask("DELETE", f"/images/{reference}", force=1)
    record("an image that was built before", "seatrial", samples, Target(p50=300, p99=2000))
