"""The fixtures of this boundary: `platform` is booted as it comes, `boot` as the test says."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import admin, coverage, provider
from contracts.authsession import internal
from contracts.gateway import edge, public
from contracts.streams import redis_streams
from gateway_authsession import topology
from gateway_authsession.topology import Platform
from seatrial import Environment

HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Makes a run of this suite answer for the contracts of its boundary."""
    adapters = provider.contract("deliverLoginCode")
    promised = coverage.cells_of(public.contract(), internal.contract(), admin.contract(), adapters)
    coverage.hold(
        config,
        coverage.Boundary(
            name=HERE.name,
            directory=HERE,
            promised=promised | edge.cells() | redis_streams.cells(),
            exempt=coverage.exemptions(HERE / "exempt.toml"),
        ),
    )


@pytest.fixture
def boot(environment: Environment) -> Callable[..., Platform]:
    """Boots the boundary as the test says; see `topology.boot`."""
    return functools.partial(topology.boot, environment)


@pytest.fixture
def platform(boot: Callable[..., Platform]) -> Platform:
    """Gateway, authsession and everything around them."""
    return boot()


@pytest.fixture
def signin(boot: Callable[..., Platform]) -> Platform:
    """authsession alone, for what the gateway adds nothing to."""
    return boot(gateways=0)
