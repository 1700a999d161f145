"""What the suites of parts of the platform have in common: a conftest imports the fixtures that it wants, and defines `boot`."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from contracts import coverage, images
from contracts.coverage import Cell
from contracts.lobby.player import Player
from contracts.notification.intents import Notifications
from contracts.platform.platform import Platform


def hold(config: pytest.Config, directory: Path, promised: Iterable[Cell]) -> None:
    """Makes a run of the suite in `directory` answer for these outcomes, less those that its exempt.toml gives a reason for."""
    exempt = coverage.exemptions(directory / "exempt.toml")
    coverage.hold(config, coverage.Boundary(directory.name, directory, frozenset(promised), exempt))


def need_containers(items: Iterable[pytest.Item], directory: Path) -> None:
    """Everything in `directory` needs a container engine; where the tier promises one, its absence is red."""
    for item in items:
        if item.path.is_relative_to(directory):
            item.add_marker(pytest.mark.requires("docker"))


@pytest.fixture
def platform(boot: Callable[..., Platform]) -> Platform:
    """What the suite is about, as it comes."""
    return boot()


@pytest.fixture
def ada(platform: Platform) -> Player:
    """A user."""
    return platform.player("ada@example.test")


@pytest.fixture
def bob(platform: Platform) -> Player:
    """Another one."""
    return platform.player("bob@example.test")


@pytest.fixture
def told(platform: Platform) -> Notifications:
    """What notification tells, and to whom."""
    return Notifications(platform.streams)


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """An engine's image under a name of this run's own."""
    with images.engine_tag(images.engine_image("1.4.0"), "1.4.0") as reference:
        yield reference
