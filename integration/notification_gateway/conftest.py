"""The fixtures of this boundary: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.platform import platform as platforms
from contracts.platform import suite
from contracts.platform.platform import Platform
from contracts.platform.suite import platform, told
from contracts.streams import schema, stream_log
from seatrial import Environment

__all__ = ["platform", "told"]

STREAMS = (
    schema.INTENTS,
    schema.rejected(schema.INTENTS),
    schema.CLIENT_EVENTS,
    schema.REJECTED_CLIENT_EVENTS,
)


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    suite.hold(config, Path(__file__).parent, stream_log.cells(*STREAMS))


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots a notification service and a gateway as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("notification", "gateway"))
