"""The fixtures of this boundary: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import coverage
from contracts.notification.intents import Notifications
from contracts.platform import platform as platforms
from contracts.platform.platform import Platform
from contracts.streams import schema, stream_log
from seatrial import Environment

HERE = Path(__file__).parent
STREAMS = (
    schema.INTENTS,
    schema.rejected(schema.INTENTS),
    schema.CLIENT_EVENTS,
    schema.REJECTED_CLIENT_EVENTS,
)


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    coverage.hold(
        config,
        coverage.Boundary(
            name=HERE.name,
            directory=HERE,
            promised=stream_log.cells(*STREAMS),
            exempt=coverage.exemptions(HERE / "exempt.toml"),
        ),
    )


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots the boundary as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("notification", "gateway"))


@pytest.fixture
def platform(boot: Callable[..., Platform]) -> Platform:
    """A notification service, a gateway, and their stores."""
    return boot()


@pytest.fixture
def told(platform: Platform) -> Notifications:
    """A producer of intents."""
    return Notifications(platform.streams)
