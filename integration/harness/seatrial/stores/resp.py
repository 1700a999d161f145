"""A short conversation with a Redis or Valkey server, for the harness' own questions to it.

A connection is made for each conversation and closed after it, so that tests find no client on the server but their own.
Not a client library: tests use redis-py.
"""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import hiredis

from seatrial.processes.listener import Address
from seatrial.stores.store import StoreError

PATIENCE: Final = 2.0
"""Seconds within which a server must answer the harness."""


class Conversation:
    """An open connection. Every method raises `StoreError` when the server does not answer in time or hangs up."""

    def __init__(self, connection: socket.socket, address: Address) -> None:
        self._socket = connection
        self._address = address
        self._reader = hiredis.Reader(encoding="utf-8", errors="surrogateescape")

    def ask(self, *commands: Sequence[str]) -> list[Any]:
        """Send commands together; their replies in order, errors as `hiredis.ReplyError` among them."""
        replies: list[Any] = []
        try:
            self._socket.sendall(b"".join(map(_packed, commands)))
            while len(replies) < len(commands):
                data = self._socket.recv(65536)
                if not data:
                    raise StoreError(
                        f"{self._address} hung up after {len(replies)} of {len(commands)} replies"
                    )
                self._reader.feed(data)
                while (reply := self._reader.gets()) is not False:
                    replies.append(reply)
            if len(replies) > len(commands):
                raise StoreError(f"{self._address} gave {len(replies)} replies to {len(commands)} commands")
        except (OSError, hiredis.ProtocolError, TypeError) as error:  # TypeError: a map is a key of another
            asked = commands[min(len(replies), len(commands) - 1)][0]
            raise StoreError(f"{self._address} did not answer {asked}: {error}") from None
        return replies

    def one(self, *command: str) -> Any:
        """The reply to a command; raises `StoreError` for an error reply too."""
        (reply,) = self.ask(command)
        if isinstance(reply, hiredis.ReplyError):
            raise StoreError(f"{self._address} answered {' '.join(command)} with: {reply}")
        return reply

    def transaction(self, *commands: Sequence[str]) -> list[Any]:
        """The replies to commands that nobody else's come between; raises `StoreError` when one of them is an error."""
        *queued, replies = self.ask(("MULTI",), *commands, ("EXEC",))
        answers = queued[1:] if isinstance(replies, hiredis.ReplyError) else replies
        for command, reply in zip(commands, answers, strict=False):
            if isinstance(reply, hiredis.ReplyError):
                raise StoreError(f"{self._address} answered {' '.join(command)} with: {reply}")
        if isinstance(replies, hiredis.ReplyError):
            raise StoreError(f"{self._address} answered EXEC with: {replies}")
        return list(replies)

    def last_word(self, *command: str) -> None:
        """Send a command that ends the server, and wait for it to hang up. Raises `StoreError` when it answers instead."""
        try:
            self._socket.sendall(_packed(command))
            answer = self._socket.recv(1024)
        except ConnectionError:
            return
        except OSError as error:
            raise StoreError(f"{self._address} did not obey {' '.join(command)}: {error}") from None
        if answer:
            raise StoreError(f"{self._address} answered {' '.join(command)} with: {answer!r}")


@contextlib.contextmanager
def conversation(address: Address, database: int = 0) -> Iterator[Conversation]:
    """Talk to the server at `address`. Raises `StoreError` when it cannot be reached, or will not talk to a stranger."""
    try:
        connection = socket.create_connection((address.host, address.port), timeout=PATIENCE)
    except OSError as error:
        raise StoreError(f"no server can be reached at {address}: {error.strerror or error}") from None
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        talk = Conversation(connection, address)
        if database:
            talk.one("SELECT", str(database))
        yield talk


def _packed(command: Sequence[str]) -> bytes:
    words = [word.encode("utf-8", "surrogateescape") for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """A reply that lists names and values in turn."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def info(text: str) -> dict[str, str]:
    """The fields of an INFO reply."""
    return {
        name: value for name, colon, value in (line.partition(":") for line in text.split("\r\n")) if colon
    }


def clients(text: str) -> list[Mapping[str, str]]:
    """The lines of a CLIENT LIST reply."""
    return [dict(word.split("=", 1) for word in line.split(" ") if "=" in word) for line in text.splitlines()]
