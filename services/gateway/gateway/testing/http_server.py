"""A service behind the gateway."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

Answer = Callable[[str, dict[str, str], bytes], Awaitable[bytes]]
"""Makes the raw HTTP answer to a request line, its headers and its body; an empty one closes the connection."""


class HttpServer:
    """A service behind the gateway: real sockets, an answer that the test chooses, and what was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Answer = self.echo

    async def echo(self, _line: str, _headers: dict[str, str], body: bytes) -> bytes:
        """200 with the request's body."""
        return http_answer(200, body)

    def always(self, raw: bytes) -> None:
        """Gives the same raw answer from now on."""

        async def answer(_line: str, _headers: dict[str, str], _body: bytes) -> bytes:
            return raw

        self.answer = answer

    def never(self) -> None:
        """Gives no answer from now on."""

        async def answer(_line: str, _headers: dict[str, str], _body: bytes) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

        self.answer = answer

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._tasks: set[asyncio.Task[Any]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            raise AssertionError("not in a task")
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode("latin-1").split("\r\n")[:-2]
                headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append((line, headers, body))
                answer = await self.answer(line, headers, body)
                writer.write(answer)
                await writer.drain()
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)


def http_answer(status: int, body: bytes, *fields: str, media_type: str = "application/json") -> bytes:
    """A raw HTTP answer."""
    lines = [
        f"HTTP/1.1 {status} Reason", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *fields, "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + body
