"""The fixtures of this boundary: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import coverage
from contracts.lobby import commands
from contracts.platform import platform as platforms
from contracts.platform.platform import Platform
from seatrial import Environment

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    coverage.hold(
        config,
        coverage.Boundary(
            name=HERE.name,
            directory=HERE,
            promised=commands.cells(),
            exempt=coverage.exemptions(HERE / "exempt.toml"),
        ),
    )


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots the boundary as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("gateway", "lobby"))


@pytest.fixture
def platform(boot: Callable[..., Platform]) -> Platform:
    """A gateway, a lobby, and their stores."""
    return boot()
