"""A service behind the gateway."""

from servicekit.testing.peer import Answer, Asked, Peer


class HttpServer(Peer[tuple[str, dict[str, str], bytes]]):
    """A service behind the gateway: an answer that the test chooses, an echo at first, and what was asked.

    A call is a request line, its headers and its body.
    """

    def __init__(self) -> None:
        super().__init__()
        self._chosen: Answer | None = None

    @property
    def requests(self) -> list[tuple[str, dict[str, str], bytes]]:
        """What was asked."""
        return self.calls

    def always(self, raw: bytes) -> None:
        """Gives the same raw answer from now on; an empty one ends the connection."""
        self._chosen = raw or "drop"

    def never(self) -> None:
        """Gives no answer from now on."""
        self._chosen = "hang"

    async def answer(self, asked: Asked) -> Answer:
        """What was chosen, else 200 with the request's body."""
        await self.record((f"{asked.method} {asked.path} HTTP/1.1", asked.headers, asked.body))
        return http_answer(200, asked.body) if self._chosen is None else self._chosen


def http_answer(status: int, body: bytes, *fields: str, media_type: str = "application/json") -> bytes:
    """A raw HTTP answer."""
    lines = [
        f"HTTP/1.1 {status} Reason", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *fields, "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + body
