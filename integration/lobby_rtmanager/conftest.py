"""The fixtures of this boundary, with real engine containers: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts import coverage, images
from contracts.coverage import Cell
from contracts.platform import platform as platforms
from contracts.platform import suite
from contracts.platform.platform import Platform
from contracts.platform.suite import ada, bob, image, platform
from contracts.rtmanager import client
from contracts.streams import schema, stream_log
from seatrial import Environment

__all__ = ["ada", "bob", "image", "platform"]

HERE = Path(__file__).parent
STREAMS = (
    schema.START_JOBS,
    schema.STOP_JOBS,
    schema.JOB_RESULTS,
    schema.rejected(schema.START_JOBS),
    schema.rejected(schema.STOP_JOBS),
)
HEALTH = ("container_started", "container_exited")


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    promised = coverage.cells_of(client.contract()) | stream_log.cells(*STREAMS)
    suite.hold(
        config, HERE, promised | {Cell(stream_log.CONTRACT, schema.HEALTH_EVENTS, kind) for kind in HEALTH}
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Engines are containers."""
    suite.need_containers(items, HERE)


@pytest.fixture(scope="session")
def patched_image() -> Iterator[str]:
    """The patch of `image`."""
    with images.engine_tag(images.engine_image("1.4.1"), "1.4.1") as reference:
        yield reference


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots a lobby and a runtime manager as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("lobby", "rtmanager"))
