"""The fixtures of this boundary, with real engine containers: `platform` is booted as it comes, `boot` as the test says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts import coverage, images
from contracts.notification.intents import Notifications
from contracts.platform import platform as platforms
from contracts.platform.platform import Platform
from contracts.streams import schema, stream_log
from seatrial import Environment

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    coverage.hold(
        config,
        coverage.Boundary(
            name=HERE.name,
            directory=HERE,
            promised=stream_log.cells(schema.MAIL_COMMANDS, schema.rejected(schema.INTENTS))
            | {coverage.Cell(stream_log.CONTRACT, schema.INTENTS, "admin_email")},
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
def no_engine() -> Iterator[str]:
    """An image that runs and is no engine: it never answers /healthz."""
    with images.engine_tag(images.redis_image(), "9.9.9") as reference:
        yield reference


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots the boundary as the test says, see `contracts.platform.platform.boot`; its starts are there to fail."""

    def booted(**options: Any) -> Platform:
        platform = platforms.boot(environment, parts=("rtmanager", "notification"), **options)
        platform.rtmanager.process.allow_log("operation_failed")
        return platform

    return booted


@pytest.fixture
def platform(boot: Callable[..., Platform]) -> Platform:
    """A runtime manager, a notification service, and their stores."""
    return boot()


@pytest.fixture
def told(platform: Platform) -> Notifications:
    """What notification tells, and to whom."""
    return Notifications(platform.streams)
