"""Where a service listens, and how the port comes to be without a race."""

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

from seatrial.errors import ServiceError

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TEMPLATE: Final = re.compile(r"\{([a-z][a-z0-9_]*)\.(address|host|port)\}")
_BACKLOG: Final = 511


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP endpoint; its text is `host:port`, with IPv6 hosts in brackets (RFC 3986, section 3.2.2)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:port` with a port from 1 to 65535; anything else raises `ValueError`."""
        host, separator, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"{text!r} is not host:port; put an IPv6 host in brackets")
        usable = separator and re.fullmatch(r"[^\[\]\s]+", host) and re.fullmatch(r"[0-9]{1,5}", port)
        if not usable or not 0 < int(port) < 65536:
            raise ValueError(f"{text!r} is not host:port with a port from 1 to 65535")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """One listening socket of a service.

    `passed`: the harness binds and listens, the child gets the descriptor (LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID
    of sd_listen_fds(3)); a client can connect before the child is ready. `reported`: the child binds port 0 and names
    the port as `X_LISTEN_<NAME>` in its READY datagram. `reserved`: for foreign servers; the harness binds a port, does
    not listen, and holds it while the child binds the same one with SO_REUSEADDR, so that nobody else can be given it.

    `variable` is the environment variable that tells the child its address: `host:port`, with port 0 when it is
    `reported`. Raises `ServiceError` for a name that cannot travel in LISTEN_FDNAMES and X_LISTEN_*.
    """

    name: str
    kind: Literal["passed", "reported", "reserved"]
    variable: str | None = None
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ServiceError(
                f"listener {self.name!r}: a name is lower case letters, digits and _, like 'http'"
            )
        if self.kind not in ("passed", "reported", "reserved"):
            raise ServiceError(
                f"listener {self.name}: kind {self.kind!r} is not passed, reported or reserved"
            )
        if self.kind == "reported" and self.variable is None:
            raise ServiceError(
                f"listener {self.name}: a reported listener needs `variable`, or the child cannot know to bind port 0"
            )

    @property
    def notification(self) -> str:
        """The name under which the child reports the address it is bound to."""
        return f"X_LISTEN_{self.name.upper()}"


class Reservation:
    """A port that is ours until `close`.

    The socket is bound with SO_REUSEADDR and never listens. On Linux the kernel then gives the port to nobody who asks
    for any port, neither by bind(0) nor by connect, while a socket that names the port and sets SO_REUSEADDR may bind
    and listen beside it. Connections are refused as long as nobody listens. Elsewhere two such binds exclude each
    other: there the port is let go when the child is to bind it itself.
    """

    def __init__(self, host: str) -> None:
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = self._bound((host, 0))
        self.address = Address(host, int(self._socket.getsockname()[1]))

    def _bound(self, endpoint: tuple[str, int]) -> socket.socket:
        bound = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(endpoint)
        except OSError as error:
            bound.close()
            raise ServiceError(f"cannot bind {Address(*endpoint)}: {error.strerror}") from error
        return bound

    def listen(self) -> socket.socket:
        """A new listening socket on the reserved port, to be passed to a child; the caller closes it."""
        if sys.platform != "linux":
            self._socket.close()
        listening = self._bound((self.address.host, self.address.port))
        listening.listen(_BACKLOG)
        return listening

    def share(self) -> None:
        """Let the child bind the port."""
        if sys.platform != "linux":
            self._socket.close()

    def close(self) -> None:
        """Let the port go."""
        self._socket.close()


def expand(text: str, addresses: Mapping[str, Address]) -> str:
    """`text` with `{name.address}`, `{name.host}` and `{name.port}` filled in.

    Other braces stay as they are. Raises `ServiceError` for a listener that is not in `addresses`.
    """

    def value(match: re.Match[str]) -> str:
        name, part = match.groups()
        if name not in addresses:
            known = ", ".join(sorted(addresses)) or "none"
            raise ServiceError(
                f"{match.group()} in {text!r}: no passed or reserved listener is called {name!r} (there are: {known})"
            )
        address = addresses[name]
        return str(address) if part == "address" else str(getattr(address, part))

    return _TEMPLATE.sub(value, text)
