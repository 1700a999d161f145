"""The receiving end of sd_notify(3): one datagram socket per child, on which it says how it is."""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from seatrial.errors import SpawnError

# sockaddr_un has room for 108 bytes on Linux and 104 on macOS, with the final NUL.
LONGEST_PATH: Final = 103
_LARGEST_DATAGRAM: Final = 65536
_ASSIGNMENT: Final = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


class MalformedNotification(Exception):
    """A datagram that is not a list of assignments."""


def parse(datagram: bytes) -> Mapping[str, str]:
    """The assignments of one datagram (`NAME=value` lines in UTF-8); raises `MalformedNotification`."""
    try:
        text = datagram.decode()
    except UnicodeDecodeError:
        raise MalformedNotification(f"not UTF-8: {datagram[:100]!r}") from None
    assignments: dict[str, str] = {}
    for line in text.removesuffix("\n").split("\n"):
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise MalformedNotification(f"not NAME=value: {line[:100]!r}")
        name, value = match.groups()
        if assignments.setdefault(name, value) != value:
            raise MalformedNotification(f"{name} is given twice: {datagram[:100]!r}")
    return assignments


class NotifySocket:
    """A bound datagram socket that belongs to one child and goes away with it."""

    def __init__(self, path: Path) -> None:
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise SpawnError(
                f"the notify socket {path} has a longer name than a socket may have ({LONGEST_PATH} bytes);"
                " set TMPDIR to a shorter path"
            )
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))

    def fileno(self) -> int:
        """For the loop."""
        return self._socket.fileno()

    def received(self) -> Iterator[bytes]:
        """The datagrams that have arrived."""
        while True:
            try:
                yield self._socket.recv(_LARGEST_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return

    def close(self) -> None:
        """Stop receiving, and remove the path."""
        self._socket.close()
        self.path.unlink(missing_ok=True)
