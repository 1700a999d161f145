"""Fixtures of the gateway's own tests, and coroutine tests."""

import asyncio
import inspect
import socket
from collections.abc import Iterator

import pytest
from hypothesis import settings
from servicekit.testing.valkey import Valkey, embedded_valkey

from gateway.testing.device import Device

# A deadline would make a busy machine a failure.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

COROUTINE_TIMEOUT_S = 30.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a coroutine test in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), COROUTINE_TIMEOUT_S))
    return True


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey]:
    """One server for the whole run; tests ask for `valkey`."""
    with embedded_valkey() as server:
        yield server


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """The shared server, empty."""
    with socket.create_connection(("127.0.0.1", valkey_server.port)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64) == b"+OK\r\n"
    return valkey_server


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A server for one test, which may kill or pause it; it keeps its data over a kill."""
    with embedded_valkey("--appendonly", "yes") as server:
        yield server


@pytest.fixture
def device() -> Device:
    """A signed-in client, its session not yet written into Redis."""
    return Device()
