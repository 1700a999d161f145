"""The suite's fixtures."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import docker
import pytest

from suite.stores import Stores, running_stores
from suite.world import Harness, World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a container engine; where the tier promises one, its absence is red."""
    for item in items:
        item.add_marker(pytest.mark.requires("docker"))


@pytest.fixture(scope="session")
def stores_of_the_run() -> Iterator[Callable[[Harness], Stores]]:
    """The stores, started when the first test asks."""
    with ExitStack() as stack:
        started: list[Stores] = []

        def get(harness: Harness) -> Stores:
            if not started:
                labels = harness.engine.engine.owner.labels("run")
                started.append(stack.enter_context(running_stores(labels)))
            return started[0]

        yield get


@pytest.fixture
def world(environment: Harness, stores_of_the_run: Callable[[Harness], Stores]) -> Iterator[World]:
    """Everything of the test's own, and empty stores."""
    stores = stores_of_the_run(environment)
    stores.empty()
    client = docker.APIClient(version="auto", timeout=60)
    try:
        with ExitStack() as stack:
            yield World(environment, stores, client, stack)
    finally:
        client.close()
