"""Telling the supervisor how far the service is: the protocol of sd_notify(3)."""

import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Self

from servicekit import logs
from servicekit.parsers import Address

_log = logs.get("servicekit.notify")


class Notifier:
    """Sends datagrams to the supervisor's socket, or nowhere if there is none.

    Supervision must not break what it watches: a supervisor that is gone is a WARNING, never an error.
    """

    def __init__(self, path: str | None) -> None:
        """``path`` is a socket's absolute path, or ``@name`` in Linux's abstract namespace."""
        self._address = "\0" + path[1:] if path is not None and path.startswith("@") else path
        self._socket: socket.socket | None = None

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Self:
        """Read ``NOTIFY_SOCKET`` and take it out of the environment, so that no child answers in our name.

        Raises ValueError when its form is neither a path nor an abstract name.
        """
        path = environment.pop("NOTIFY_SOCKET", None) or None
        if path is not None and (path[0] not in "/@" or len(path) < 2):
            raise ValueError(f"{path!r} is not a socket's address (give an absolute path, or @name)")
        return cls(path)

    def status(self, text: str) -> None:
        """Say in one line what is going on."""
        self._send(f"STATUS={text.replace(chr(10), ' ')}")

    def ready(self, addresses: Mapping[str, Address]) -> None:
        """Say that requests are answered now, and where: ``X_LISTEN_<NAME>=host:port`` for each listener."""
        lines = ["READY=1", "STATUS=Serving", f"MAINPID={os.getpid()}"]
        lines += [f"X_LISTEN_{name.upper()}={address}" for name, address in addresses.items()]
        self._send("\n".join(lines))

    def stopping(self) -> None:
        """Say that the drain has begun."""
        self._send("STOPPING=1\nSTATUS=Draining")

    def _send(self, datagram: str) -> None:
        if self._address is None:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                # A supervisor that does not read must not hold up the service.
                self._socket.settimeout(1.0)
            self._socket.sendto(datagram.encode(errors="backslashreplace"), self._address)
        except OSError as problem:
            _log.warning("notify_failed", reason=str(problem))
            self._address = None

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
