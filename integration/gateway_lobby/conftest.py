"""The fixtures of this boundary: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.lobby import commands
from contracts.platform import platform as platforms
from contracts.platform import suite
from contracts.platform.platform import Platform
from contracts.platform.suite import ada, bob, platform
from seatrial import Environment

__all__ = ["ada", "bob", "platform"]


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    suite.hold(config, Path(__file__).parent, commands.cells())


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots a gateway and a lobby as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("gateway", "lobby"))
