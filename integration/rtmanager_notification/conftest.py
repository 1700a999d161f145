"""The fixtures of this boundary, with real engine containers: `platform` is booted as it comes, `boot` as the test says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts import coverage, images
from contracts.platform import platform as platforms
from contracts.platform import suite
from contracts.platform.platform import Platform
from contracts.platform.suite import image, platform, told
from contracts.streams import schema, stream_log
from seatrial import Environment

__all__ = ["image", "platform", "told"]

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    to_admins = coverage.Cell(stream_log.CONTRACT, schema.INTENTS, "admin_email")
    streams = stream_log.cells(schema.MAIL_COMMANDS, schema.rejected(schema.INTENTS))
    suite.hold(config, HERE, streams | {to_admins})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Engines are containers."""
    suite.need_containers(items, HERE)


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
