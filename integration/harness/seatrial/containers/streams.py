"""What an engine sends for as long as it lasts: the output of a program, events.

A stream belongs to the thread that reads it, which gives its descriptors back with `release`; any other may end it with `close`.
"""

import contextlib
import http.client
import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import urlencode

from seatrial.containers.wire import TIMEOUT_S, Connection, EngineError, NotThere, Place, unreachable

_HEADER: Final = struct.Struct(">BxxxL")
_UPGRADE: Final = {"Connection": "Upgrade", "Upgrade": "tcp"}


class _Stream:
    def __init__(self, place: Place, method: str, target: str, body: Any, headers: Mapping[str, str]) -> None:
        self._connection = Connection(place, TIMEOUT_S)
        try:
            self._connection.connect()
            self._socket: socket.socket = self._connection.sock
            coded = None if body is None else json.dumps(body)
            self._connection.request(method, target, coded, {"Content-Type": "application/json", **headers})
            self._response = self._connection.getresponse()
            self._check(f"the engine at {place.url} refuses {method} {target}")
            # However long it is silent, it has not ended.
            self._socket.settimeout(None)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise unreachable(place, error) from None
        except BaseException:
            self._connection.close()
            raise

    def _check(self, refusal: str) -> None:
        status = self._response.status
        if status >= 400:
            said = self._response.read().decode("utf-8", "replace").strip()
            kind = NotThere if status == 404 else EngineError
            raise kind(f"{refusal} ({status}): {said}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def close(self) -> None:
        """End it: whoever reads it sees its end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Give its descriptors back. Idempotent."""
        self._response.close()
        self._connection.close()
        self._socket.close()


class Output(_Stream):
    """What a program in a container writes, stdout and stderr as they come. Raises what `Wire.ask` raises."""

    def __init__(self, place: Place, path: str, body: Any = None) -> None:
        super().__init__(place, "POST", path, body, _UPGRADE)

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of it until its end; an engine that is lost ends it as well."""
        with contextlib.suppress(OSError, ValueError):
            yield from pieces(self._response.fp.read)


class Documents(_Stream):
    """JSON documents, one by one. Raises what `Wire.ask` raises."""

    def __init__(self, place: Place, path: str, **query: Any) -> None:
        coded = {
            name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()
        }
        super().__init__(place, "GET", f"{path}?{urlencode(coded)}", None, {})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The documents until the end; an engine that is lost ends it as well."""
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            yield from documents(self._response.readline)


def pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What a program wrote, from a stream of both its outputs; ends where the stream does.

    Each piece has a header of 8 bytes: which of the two it was, and its length (Engine API, "Stream format").
    """
    while len(header := read(_HEADER.size)) == _HEADER.size:
        _, length = _HEADER.unpack(header)
        yield read(length)


def documents(readline: Callable[[], bytes]) -> Iterator[dict[str, Any]]:
    """The documents of a stream, one a line. Raises ValueError for a line that is none."""
    while line := readline():
        try:
            yield json.loads(line)
        except RecursionError:
            raise ValueError("nested too deeply") from None
