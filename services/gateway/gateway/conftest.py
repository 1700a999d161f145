"""Fixtures of the gateway's own tests, and coroutine tests."""

import asyncio
import inspect
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from gateway.testing.device import Device
from gateway.testing.valkey import Valkey

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
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """One server for the whole run; tests ask for `valkey`."""
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.close()


@pytest.fixture
def valkey(valkey_server: Valkey) -> Valkey:
    """The shared server, empty."""
    with socket.create_connection(("127.0.0.1", valkey_server.port)) as connection:
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(64) == b"+OK\r\n"
    return valkey_server


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A server for one test, which may kill or pause it; it keeps its data over a kill."""
    server = Valkey(tmp_path, persistent=True)
    yield server
    server.close()


@pytest.fixture
def device() -> Device:
    """A signed-in client, its session not yet written into Redis."""
    return Device()
