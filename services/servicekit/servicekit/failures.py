"""What may go wrong outside the process, and how it is said."""

import asyncio
import os
import socket
from typing import Final

BACKOFF_FIRST_S: Final = 0.05
BACKOFF_MOST_S: Final = 1.0


class Unavailable(Exception):
    """Something that the service depends on could not be reached, or did not answer in time.

    Whether it has done the work is unknown. http.Router answers 503 ``service_unavailable``; streams.Consumer waits and
    delivers again.
    """


class StartError(Exception):
    """The service must not start, for a reason that an operator can remove: its text names the thing and the remedy."""


class Pause:
    """Pauses between attempts: each twice as long as the one before, from BACKOFF_FIRST_S to BACKOFF_MOST_S."""

    def __init__(self) -> None:
        self._next = BACKOFF_FIRST_S

    def reset(self) -> None:
        """Begin again with the shortest one."""
        self._next = BACKOFF_FIRST_S

    async def wait(self) -> None:
        """Wait, a half to one and a half of the pause: the instances of a service do not all come back at once."""
        seconds, self._next = self._next, min(self._next * 2, BACKOFF_MOST_S)
        await asyncio.sleep(seconds * (0.5 + os.urandom(1)[0] / 255))


def why(problem: OSError) -> str:
    """Say what the system says, without the address, which asyncio puts into its own words."""
    if isinstance(problem, socket.gaierror):
        return problem.strerror or "the name cannot be resolved"
    return os.strerror(problem.errno) if problem.errno else "no address of the host accepts a connection"
