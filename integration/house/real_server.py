"""Runs a command beside servers of its own, as external ones: `python -m house.real_server COMMAND...`.

The command finds their addresses in INTEGRATION_REAL_REDIS_ADDR and INTEGRATION_REAL_POSTGRES_DSN; its exit status is passed on.
Where a variable is set already, that server is used and none is started.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from seatrial.rules.capability import REAL_POSTGRES_VARIABLE, REAL_REDIS_VARIABLE
from seatrial.stores.postgres_server import PostgresServer
from seatrial.stores.valkey import Valkey

ROLE = "CREATE ROLE smoke LOGIN CREATEDB PASSWORD 'smoke'"
"""The tests' role on the PostgreSQL server: what a careful operator would give them, no superuser."""


def run(command: Sequence[str]) -> int:
    """Run the command with servers at its side; returns its exit status."""
    variables = dict(os.environ)
    with ExitStack() as servers:
        folder = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix="seatrial-real-server-")))
        if not variables.get(REAL_REDIS_VARIABLE):
            valkey = servers.enter_context(Valkey(folder / "valkey"))
            variables[REAL_REDIS_VARIABLE] = str(valkey.address)
        if not variables.get(REAL_POSTGRES_VARIABLE):
            postgres = servers.enter_context(PostgresServer(folder / "postgres"))
            postgres.execute(ROLE)
            variables[REAL_POSTGRES_VARIABLE] = f"postgresql://smoke:smoke@{postgres.address}/postgres"
        return subprocess.run(command, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
