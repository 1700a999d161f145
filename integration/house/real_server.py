"""Runs a command beside a server of its own, as an external one: `python -m house.real_server COMMAND...`.

The command finds the server's address in INTEGRATION_REAL_REDIS_ADDR; its exit status is passed on. Where the variable is set
already, that server is used and none is started.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from seatrial.rules.capability import REAL_REDIS_VARIABLE
from seatrial.stores.valkey import Valkey


def run(command: Sequence[str]) -> int:
    """Run the command with a server at its side; returns its exit status."""
    if os.environ.get(REAL_REDIS_VARIABLE):
        return subprocess.run(command, check=False).returncode
    with tempfile.TemporaryDirectory(prefix="seatrial-real-server-") as folder:
        server = Valkey(Path(folder)).start()
        try:
            variables = {**os.environ, REAL_REDIS_VARIABLE: str(server.address)}
            return subprocess.run(command, env=variables, check=False).returncode
        finally:
            server.close()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
