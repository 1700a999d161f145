"""The console script `gateway`."""

import os

from servicekit import boot

# The log is one JSON object a line; gRPC's core would write lines of its own between them. It looks once, at its import.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def main() -> int:
    """Runs the gateway; the exit status."""
    # First of all: what is imported from here on is imported with the collector off.
    boot.begin()
    from servicekit.app import run

    from gateway.service import SERVICE

    return run(SERVICE)
