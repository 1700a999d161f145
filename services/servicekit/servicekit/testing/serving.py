"""An application in the test's process, on a real socket."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from servicekit.http import Router
from servicekit.server import HttpServer


@asynccontextmanager
async def serving(router: Router) -> AsyncIterator[str]:
    """Serve a router; gives the base URL."""
    # With its protocol: asyncio turns Nagle's delay off only where it is told that a socket is TCP's.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        listening.setblocking(False)
        server = HttpServer(router, listening)
        await server.start()
        try:
            yield "http://{}:{}".format(*listening.getsockname())
        finally:
            await server.drain(0)
