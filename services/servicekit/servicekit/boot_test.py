"""What the boot imports, so that its cost does not creep back."""

import subprocess
import sys

import pytest

#: What no service may import before it is READY, and why. Milliseconds are of README.md's runs, p50.
FORBIDDEN = {
    "anyio": "came with Starlette",
    "starlette": "53 ms; servicekit.http is the router",
    "redis": "117 to 141 ms; servicekit.redis is the client",
    "valkey": "98 ms; servicekit.redis is the client",
    "httpx": "77 ms; servicekit.client is the client",
    "httpcore": "43 ms; servicekit.client is the client",
    "h11": "another parser of HTTP; httptools is the one",
    "prometheus_client": "53 ms; servicekit.metrics writes the text",
    "importlib.metadata": "only --version needs it",
    "yaml": "only servicekit.openapi needs it",
    "grpc": "54 ms; only servicekit.grpc_server, which a service without gRPC does not import",
    "asyncpg": "40 ms; only servicekit.postgres, which a service without a database does not import",
    "difflib": "nothing needs it",
    "argparse": "two flags need no parser",
}

#: Imported by uvicorn or asyncio whatever we do; named so that nobody hunts for them in our code.
UNAVOIDABLE = {
    "click": "uvicorn/__init__.py imports its command line",
    "ipaddress": "uvicorn.middleware.proxy_headers imports it",
    "ssl": "asyncio.base_events imports it",
}

MODULES = ("app", "client", "redis", "streams")


def imported(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.fixture(scope="module")
def boot() -> set[str]:
    """The modules of a service that uses everything but gRPC and a database."""
    return imported("\n".join(f"import servicekit.{module}" for module in MODULES))


@pytest.mark.parametrize("module", FORBIDDEN)
def test_a_costly_module_is_not_imported(boot: set[str], module: str) -> None:
    assert module not in boot, FORBIDDEN[module]


@pytest.mark.parametrize("module", UNAVOIDABLE)
def test_the_list_of_what_cannot_be_avoided_is_not_stale(boot: set[str], module: str) -> None:
    assert module in boot, "it can be avoided now: move it to FORBIDDEN"


def test_a_database_brings_asyncpg_and_nothing_else_that_is_costly() -> None:
    modules = imported("import servicekit.app, servicekit.inbox, servicekit.outbox")
    assert FORBIDDEN.keys() & modules == {"asyncpg"}


def test_the_package_itself_imports_nothing() -> None:
    assert not {name for name in imported("import servicekit.boot") if name.startswith("servicekit.")} - {
        "servicekit.boot"
    }
    assert "asyncio" not in imported("import servicekit.boot")


def test_the_collector_is_off_during_the_boot_and_on_afterwards() -> None:
    script = """
import gc
from servicekit import boot
boot.begin()
print(gc.isenabled())
boot.ready()
print(gc.isenabled(), gc.get_freeze_count() > 0)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "True"]
