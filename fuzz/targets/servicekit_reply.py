"""Target: answers of another service, as the HTTP client takes them from the wire."""

import asyncio

from servicekit.client import ClientUnavailable, Reply, _Connection

LOOP = asyncio.new_event_loop()
MOST = 256


class Wire(asyncio.Transport):
    """What the client writes to and ends; nothing is behind it."""

    aborted = False

    def abort(self) -> None:
        """Ends it."""
        self.aborted = True

    def write(self, data: object) -> None:
        """Takes the request."""


def check(data: bytes) -> bool:
    """Bytes make at most one answer, of at most so many bytes, however they arrive; else the connection is given up."""
    whole = LOOP.run_until_complete(_exchange([data]))
    pieces = LOOP.run_until_complete(_exchange([data[at : at + 1] for at in range(len(data))]))
    if isinstance(whole, Reply):
        assert isinstance(pieces, Reply)
        assert (whole.status, whole.body, list(whole.headers)) == (
            pieces.status,
            pieces.body,
            list(pieces.headers),
        )
        assert 200 <= whole.status <= 999
        assert len(whole.body) <= MOST
    else:
        assert not isinstance(pieces, Reply)
    return isinstance(whole, Reply)


async def _exchange(parts: list[bytes]) -> Reply | str:
    connection, wire = _Connection(MOST), Wire()
    connection.connection_made(wire)

    async def feed() -> None:
        for part in parts:
            if not wire.aborted:
                connection.data_received(part)
        connection.connection_lost(None)

    try:
        # In this order: the request is made before the first byte of its answer is there.
        reply, _ = await asyncio.gather(connection.exchange(b"GET / HTTP/1.1\r\n\r\n"), feed())
    except ClientUnavailable as error:
        return error.reason
    return reply
