"""Target: requests to a stub, as they come from the wire."""

import asyncio
from typing import ClassVar

import httptools
from seatrial.network.httpwire import Connection, Message, Reply, encode

LOOP = asyncio.new_event_loop()


class Owner:
    """Answers each message, and remembers it."""

    body_limit: ClassVar[int] = 64
    hangs = False

    def __init__(self) -> None:
        self.connections: set[Connection] = set()
        self.messages: list[Message] = []
        self.refused: list[int] = []

    def answer(self, message: Message) -> Reply:
        """A reply that goes back at once."""
        self.messages.append(message)
        data = encode(200, b"ok", {}, close=not message.keep_alive, head=message.method == "HEAD")
        return Reply(data, not message.keep_alive, lambda: 0.0)

    def malformed(self, status: int, reason: str) -> Reply:
        """The last reply."""
        assert reason
        self.refused.append(status)
        return Reply(encode(status, b"", {}, close=True), True, lambda: 0.0)


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Takes it."""
        self.written += bytes(data)

    def close(self) -> None:
        """Ends it."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self.closed

    def pause_reading(self) -> None:
        """Nothing is read here."""

    def resume_reading(self) -> None:
        """Nothing is read here."""


def check(data: bytes) -> bool:
    """The same messages come of the bytes however they arrive; each has one answer, and the last word is well-formed."""
    owner, written = LOOP.run_until_complete(_serve([data]))
    other, again = LOOP.run_until_complete(_serve([data[at : at + 1] for at in range(len(data))]))
    assert owner.messages == other.messages
    # What follows a message that ends the connection is told as malformed only where it came with it; nobody is answered.
    over = bool(owner.messages) and not owner.messages[-1].keep_alive
    assert over or owner.refused == other.refused
    assert written == again
    assert len(owner.refused) <= 1
    assert all(len(message.body) <= Owner.body_limit for message in owner.messages)
    if not any(message.method == "HEAD" for message in owner.messages):
        assert _answers(written) == len(owner.messages) + (0 if over else len(owner.refused))
    return bool(owner.messages) and not owner.refused


async def _serve(parts: list[bytes]) -> tuple[Owner, bytes]:
    owner, wire = Owner(), Wire()
    connection = Connection(owner)
    connection.connection_made(wire)
    for part in parts:
        if not wire.closed:
            connection.data_received(part)
    connection.connection_lost(None)
    return owner, wire.written


class _Counter:
    """Counts answers that are final."""

    def __init__(self) -> None:
        self.count = 0
        self.parser = httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        self.count += self.parser.get_status_code() >= 200


def _answers(written: bytes) -> int:
    counter = _Counter()
    counter.parser.feed_data(written)
    return counter.count
