"""The fixtures of this boundary, with real engine containers: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts import coverage, images
from contracts.lobby.player import Player
from contracts.platform import platform as platforms
from contracts.platform.platform import Platform
from contracts.rtmanager import client
from contracts.streams import schema, stream_log
from seatrial import Environment

HERE = Path(__file__).parent
STREAMS = (
    schema.START_JOBS,
    schema.STOP_JOBS,
    schema.JOB_RESULTS,
    schema.rejected(schema.START_JOBS),
    schema.rejected(schema.STOP_JOBS),
)


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    coverage.hold(
        config,
        coverage.Boundary(
            name=HERE.name,
            directory=HERE,
            promised=coverage.cells_of(client.contract()) | stream_log.cells(*STREAMS),
            exempt=coverage.exemptions(HERE / "exempt.toml"),
        ),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a container engine; where the tier promises one, its absence is red."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.requires("docker"))


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """An engine's image under a name of this run's own."""
    with images.engine_tag(images.engine_image("1.4.0"), "1.4.0") as reference:
        yield reference


@pytest.fixture(scope="session")
def patched_image() -> Iterator[str]:
    """Its patch."""
    with images.engine_tag(images.engine_image("1.4.1"), "1.4.1") as reference:
        yield reference


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots the boundary as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("lobby", "rtmanager"))


@pytest.fixture
def platform(boot: Callable[..., Platform]) -> Platform:
    """A lobby, a runtime manager, and their stores."""
    return boot()


@pytest.fixture
def ada(platform: Platform) -> Player:
    """A user."""
    return platform.player("ada@example.test")


@pytest.fixture
def bob(platform: Platform) -> Player:
    """Another one."""
    return platform.player("bob@example.test")
