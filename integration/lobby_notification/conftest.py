"""The fixtures of this boundary: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import coverage, provider
from contracts.notification import client
from contracts.platform import platform as platforms
from contracts.platform import suite
from contracts.platform.platform import Platform
from contracts.platform.suite import ada, bob, platform, told
from contracts.streams import schema, stream_log
from seatrial import Environment

__all__ = ["ada", "bob", "platform", "told"]

STREAMS = (
    schema.INTENTS,
    schema.rejected(schema.INTENTS),
    schema.CLIENT_EVENTS,
    schema.MAIL_COMMANDS,
    schema.USER_EVENTS,
    schema.rejected(schema.USER_EVENTS),
    schema.rejected(schema.JOB_RESULTS),
    schema.START_JOBS,
    schema.STOP_JOBS,
)


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    promised = coverage.cells_of(client.contract(), provider.contract("getUser")) | stream_log.cells(*STREAMS)
    suite.hold(config, Path(__file__).parent, promised)


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots a lobby and a notification service as the test says; see `contracts.platform.platform.boot`."""
    return functools.partial(platforms.boot, environment, parts=("lobby", "notification"))


@pytest.fixture
def boot_impatient(boot: Callable[..., Platform]) -> Platform:
    """A platform whose lobby waits for the start of a game no longer than a moment."""
    return boot(settings={"lobby": {"START_TIMEOUT_MS": "300"}})
