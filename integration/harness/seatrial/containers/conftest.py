"""What the tests of this room share: an engine, and a small image that is on this machine already."""

import os
import secrets
import subprocess

import pytest

from seatrial.containers import ownership
from seatrial.containers.engine import Engine
from seatrial.containers.ownership import Maker, Owner, Run
from seatrial.processes import proctree

IMAGE_VARIABLE = "SEATRIAL_TEST_IMAGE"
BASE = "seatrial-base"


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine."""
    return Engine.current()


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """An image with a shell and python3: named by SEATRIAL_TEST_IMAGE, else the newest `seatrial-base`."""
    named = os.environ.get(IMAGE_VARIABLE)
    if named:
        return named
    listed = engine.wire.ask("GET", "/images/json", filters={"reference": [BASE]}).json()
    found = [(each["Created"], reference) for each in listed for reference in each["RepoTags"] or ()]
    if not found:
        pytest.fail(f"no image {BASE}: make it (make docker-base), or name another in {IMAGE_VARIABLE}")
    return str(max(found)[1])


@pytest.fixture
def dead_owner(monkeypatch: pytest.MonkeyPatch) -> Owner:
    """A run of this machine that has ended: its leader was a process that is gone.

    The machine bears another name while the test runs, or a run beside this one would sweep what the test plants.
    """
    name = secrets.token_hex(6)
    monkeypatch.setattr(ownership, "machine", lambda: name)
    process = subprocess.Popen(["sleep", "1000"])
    its = proctree.info(process.pid)
    process.kill()
    process.wait()
    assert its is not None
    maker = Maker(its.pid, its.started)
    return Owner(Run(name, ownership.boot(), maker), maker)
