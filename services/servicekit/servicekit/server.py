"""uvicorn's HTTP server, several in one event loop, with our start, our stop and no signal handling of its own.

uvicorn's own ``serve`` takes the signals, wakes ten times a second to look at a flag, and needs two sleeps of 0.1 s to
stop. Here the stop is awaited by events: the last connection's loss ends it.
"""

import asyncio
import logging
import socket
from email.utils import formatdate
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from servicekit import logs
from servicekit.errors import error_body
from servicekit.listeners import BACKLOG

#: Bytes of a request's line and header fields, beyond the first read. httptools has no bound of its own.
MAX_HEAD: Final = 32 * 1024

#: Seconds that requests which the drain cut off have to answer so.
CUT_GRACE_S: Final = 0.25

_log = logs.get("servicekit.server")


class _State(ServerState):
    """What the connections of one server share."""

    def __init__(self, head_timeout_s: float, max_connections: int) -> None:
        super().__init__()
        self.connections: set[Protocol] = set()  # type: ignore[assignment]  # narrower: we serve nothing else
        self.head_timeout_s = head_timeout_s
        self.max_connections = max_connections
        self.changed = asyncio.Event()


class Protocol(HttpToolsProtocol):
    """One connection: uvicorn's, with bounds on a request's head in bytes and in time, and errors in our form."""

    server_state: _State

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, unless there are too many connections."""
        super().connection_made(transport)
        if len(self.connections) > self.server_state.max_connections:
            _log.debug("http_connection_refused", connections=len(self.connections) - 1)
            transport.abort()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for the drain."""
        self._stop_head_timer()
        super().connection_lost(exc)
        self.server_state.changed.set()

    def data_received(self, data: bytes) -> None:
        """Parse, and refuse a head that does not end."""
        self._head_size += len(data)
        super().data_received(data)
        if self._head_timer is not None and self._head_size > MAX_HEAD and not self.transport.is_closing():
            self._refuse(
                "431 Request Header Fields Too Large",
                "request_headers_too_large",
                "The request's head is too large.",
            )

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.server_state.head_timeout_s, self._head_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        _log.debug("http_head_late")
        self.shutdown()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_size = 0
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A request's head is complete."""
        self._stop_head_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, once what came before it is answered. uvicorn's own text is not sent."""
        del msg
        self._refuse("400 Bad Request", "invalid_request", "The request is not HTTP/1.1.")

    def _refuse(self, status: str, code: str, message: str) -> None:
        cycle = _current(self)
        if (
            cycle is not None
            and not cycle.response_complete
            and (cycle.response_started or not cycle.more_body)
        ):
            # Its answer is on the way: this one would be taken for it. The connection ends after it.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        body = error_body(code, message)
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade that is not supported is ignored, as RFC 9110, section 7.8 lets us."""


def _current(connection: Protocol) -> RequestResponseCycle | None:
    return connection.cycle  # uvicorn's annotation leaves out the None of a new connection


class _CallerNoise(logging.Filter):
    """Lowers what uvicorn says about callers' mistakes: they are no concern of the operator."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.getMessage() != "Invalid HTTP request received."


class HttpServer:
    """Serves an ASGI application on one listening socket."""

    def __init__(
        self, app: Any, sock: socket.socket, *, head_timeout_s: float = 10.0, max_connections: int = 1024
    ) -> None:
        self._config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=15,
        )
        self._socket = sock
        self._state = _State(head_timeout_s, max_connections)
        self._server: asyncio.Server | None = None
        self._date_timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to accept connections."""
        self._config.load()
        noise = logging.getLogger("uvicorn.error")
        if not any(isinstance(present, _CallerNoise) for present in noise.filters):
            noise.addFilter(_CallerNoise())
        loop = asyncio.get_running_loop()
        self._refresh_date()

        def connect() -> Protocol:
            return Protocol(config=self._config, server_state=self._state, app_state={}, _loop=loop)

        self._server = await loop.create_server(connect, sock=self._socket, backlog=BACKLOG)

    def _refresh_date(self) -> None:
        # An origin server with a clock sends Date (RFC 9110, section 6.6.1); its resolution is a second.
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        self._date_timer = asyncio.get_running_loop().call_later(1.0, self._refresh_date)

    async def drain(self, seconds: float) -> None:
        """Accept no more, let running requests end within the budget, then cut them off with 503 ``shutting_down``."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if not await self._emptied(seconds):
            _log.warning(
                "drain_cut", connections=len(self._state.connections), requests=len(self._state.tasks)
            )
            await self._cut()
        if self._date_timer is not None:
            self._date_timer.cancel()

    async def _emptied(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while self._state.connections:
                    self._state.changed.clear()
                    await self._state.changed.wait()
                if self._state.tasks:
                    # Their callers have left, their work has not ended.
                    await asyncio.wait(self._state.tasks)
        except TimeoutError:
            return False
        return True

    async def _cut(self) -> None:
        for connection in list(self._state.connections):
            cycle = _current(connection)
            if cycle is None or cycle.response_started:
                connection.transport.abort()
        await asyncio.sleep(
            0
        )  # the aborted connections' losses come first: their requests are not cancelled but ended
        for task in list(self._state.tasks):
            task.cancel()
        if not await self._emptied(CUT_GRACE_S):
            for connection in list(self._state.connections):
                connection.transport.abort()
