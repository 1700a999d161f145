"""Target: replies of Redis (RESP2), as they come from the wire."""

import asyncio
import socket
from typing import Any

from servicekit.redis import RedisUnavailable, Reply, _Connection

LOOP = asyncio.new_event_loop()
ASKED = 2
SOCKET = socket.socket(socket.AF_UNIX)


class Wire(asyncio.Transport):
    """What the client writes to and ends; nothing is behind it."""

    aborted = False

    def abort(self) -> None:
        """Ends it."""
        self.aborted = True

    def write(self, data: object) -> None:
        """Takes the command."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """The socket, one that has no options."""
        return SOCKET if name == "socket" else default


def check(data: bytes) -> bool:
    """Every command gets its reply or the word that there is none, and the same ones however the bytes arrive."""
    whole = LOOP.run_until_complete(_ask([data]))
    assert whole == LOOP.run_until_complete(_ask([data[at : at + 1] for at in range(len(data))]))
    return all(answered for answered, _ in whole)


async def _ask(parts: list[bytes]) -> list[tuple[bool, str]]:
    connection, wire = _Connection(), Wire()
    connection.connection_made(wire)
    futures: list[asyncio.Future[Reply]] = connection.send([("PING",)] * ASKED)
    for part in parts:
        if not wire.aborted:
            connection.data_received(part)
    connection.connection_lost(None)
    answers = []
    for future in futures:
        try:
            answers.append((True, repr(await future)))
        except RedisUnavailable:
            answers.append((False, ""))
    return answers
