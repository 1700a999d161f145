"""Why a connection failed, in words that may be shown."""

import os
import socket


def why(problem: OSError) -> str:
    """Say what the system says, without the address, which asyncio puts into its own words."""
    if isinstance(problem, socket.gaierror):
        return problem.strerror or "the name cannot be resolved"
    return os.strerror(problem.errno) if problem.errno else "no address of the host accepts a connection"
