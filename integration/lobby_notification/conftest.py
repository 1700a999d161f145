"""The fixtures of this boundary: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import coverage
from contracts.notification import client
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
    schema.MAIL_COMMANDS,
    schema.USER_EVENTS,
    schema.START_JOBS,
    schema.STOP_JOBS,
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


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots the boundary as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("lobby", "notification"))


@pytest.fixture
def platform(boot: Callable[..., Platform]) -> Platform:
    """A lobby, a notification service, and their stores."""
    return boot()


@pytest.fixture
def told(platform: Platform) -> Notifications:
    """What notification tells, and to whom."""
    return Notifications(platform.streams)


@pytest.fixture
def boot_impatient(boot: Callable[..., Platform]) -> Platform:
    """A platform whose lobby waits for the start of a game no longer than a moment."""
    return boot(settings={"lobby": {"START_TIMEOUT_MS": "300"}})
