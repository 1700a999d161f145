"""Parsers of configuration values: text in, value out, or ValueError with ``reason (remedy)``."""

import binascii
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

Parser = Callable[[str], T]

_SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?\.?")
_DECIMAL: Final = re.compile(r"[0-9]{1,19}")
_SIZE: Final = re.compile(r"([0-9]{1,15}) ?(|B|KiB|MiB|GiB)")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_RATE: Final = re.compile(r"([0-9]{1,9})/([0-9]{1,9}(?:\.[0-9]{1,3})?)")


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address. ``str()`` gives ``host:port``, with an IPv6 host in brackets (RFC 3986, 3.2.2)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read ``host:port``, ``[::1]:port`` or ``:port`` (every interface). Raises ValueError."""
        host, colon, port = text.rpartition(":")
        remedy = "(give host:port, an IPv6 host in brackets)"
        if not colon:
            raise ValueError(f"{text!r} has no port {remedy}")
        if _DECIMAL.fullmatch(port) is None or int(port) > 65535:
            raise ValueError(f"port {port!r} is not a number from 0 to 65535 {remedy}")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            _check_ipv6(host, remedy)
        elif not host:
            host = "0.0.0.0"  # noqa: S104 - ":8080" asks for every interface
        elif _HOST.fullmatch(host) is None:
            raise ValueError(f"host {host!r} is not a name or an address {remedy}")
        return cls(host, int(port))


def _check_ipv6(host: str, remedy: str) -> None:
    try:
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        raise ValueError(f"{host!r} is not an IPv6 address {remedy}") from None


@dataclass(frozen=True, slots=True)
class Limit:
    """A rate: at most ``burst`` at once, refilled evenly over ``period_s`` seconds."""

    burst: int
    period_s: float


def text(*, pattern: str | None = None, minimum: int = 1, maximum: int = 4096) -> Parser[str]:
    """Text of ``minimum`` to ``maximum`` characters that matches the whole of ``pattern``."""
    compiled = re.compile(pattern) if pattern is not None else None

    def parse(value: str) -> str:
        if not minimum <= len(value) <= maximum:
            raise ValueError(f"has {len(value)} characters (give {minimum} to {maximum})")
        if compiled is not None and compiled.fullmatch(value) is None:
            raise ValueError(f"{value!r} has another form (it must match {pattern})")
        return value

    return parse


def _range(minimum: int | None, maximum: int | None) -> str:
    if minimum is None and maximum is None:
        return "give a whole number"
    if maximum is None:
        return f"give a whole number, at least {minimum}"
    if minimum is None:
        return f"give a whole number, at most {maximum}"
    return f"give a whole number from {minimum} to {maximum}"


def integer(minimum: int | None = None, maximum: int | None = None) -> Parser[int]:
    """A decimal whole number within the bounds, both included."""

    def parse(value: str) -> int:
        remedy = _range(minimum, maximum)
        digits = value.removeprefix("-")
        if _DECIMAL.fullmatch(digits) is None:
            raise ValueError(f"{value!r} is not a whole number ({remedy})")
        number = int(value)
        if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
            raise ValueError(f"{number} is out of range ({remedy})")
        return number

    return parse


def milliseconds(minimum: int = 1, maximum: int = 10 * 365 * 24 * 3600 * 1000) -> Parser[int]:
    """A duration in whole milliseconds."""
    return integer(minimum, maximum)


def size(minimum: int = 0, maximum: int = 1 << 40) -> Parser[int]:
    """A number of bytes: ``16384``, ``16KiB``, ``4MiB``, ``1GiB``."""

    def parse(value: str) -> int:
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ValueError(f"{value!r} is not a size (give bytes, or a number with KiB, MiB or GiB)")
        number = int(match[1]) * _SIZES[match[2]]
        if not minimum <= number <= maximum:
            raise ValueError(f"{number} bytes is out of range (give {minimum} to {maximum} bytes)")
        return number

    return parse


def boolean() -> Parser[bool]:
    """``true`` or ``false``."""

    def parse(value: str) -> bool:
        if value not in {"true", "false"}:
            raise ValueError(f"{value!r} is not a boolean (give true or false)")
        return value == "true"

    return parse


def one_of(*choices: str) -> Parser[str]:
    """One of the given words, exactly as written."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is unknown (give one of {', '.join(choices)})")
        return value

    return parse


def url(*schemes: str) -> Parser[str]:
    """An absolute URL of one of the schemes, without fragment; a trailing slash of the path is dropped.

    ``unix`` URLs have a path (``unix:///run/redis.sock``), all others a host.
    """

    def parse(value: str) -> str:
        remedy = f"(give {' or '.join(f'{scheme}://...' for scheme in schemes)})"
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:  # whose text may quote a part of a password
            raise ValueError(f"is not a URL: its host or port is malformed {remedy}") from None
        if any(character <= " " or character >= "\x7f" for character in value):
            raise ValueError(f"contains something else than visible ASCII {remedy}")
        if parts.scheme not in schemes:
            raise ValueError(f"has the scheme {parts.scheme!r} {remedy}")
        if parts.fragment:
            raise ValueError(f"has a fragment, which means nothing here {remedy}")
        if parts.scheme == "unix":
            if parts.netloc or not parts.path.startswith("/") or not parts.path.strip("/"):
                raise ValueError("has no absolute path (give unix:///path/of/the/socket)")
        elif not parts.hostname:
            raise ValueError(f"has no host {remedy}")
        elif port == 0:
            raise ValueError(f"has the port 0, where nobody can listen {remedy}")
        return value.rstrip("/") if not parts.query else value

    return parse


def usable(parse: Parser[str], client: Callable[[str], object]) -> Parser[str]:
    """A URL that ``client`` takes: what it refuses is a wrong configuration, not a crash."""

    def checked(value: str) -> str:
        found = parse(value)
        client(found)
        return found

    return checked


def name() -> Parser[str]:
    """A name for a process: 1 to 64 of ``A-Z a-z 0-9 . _ -``, a letter or digit first."""

    def parse(value: str) -> str:
        if _NAME.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not a name (give 1 to 64 of A-Z a-z 0-9 . _ -)")
        return value

    return parse


def postgres_dsn() -> Parser[str]:
    """The address of a database: ``postgresql://user:password@host:port/database``, or a socket's folder as ``?host=/folder``."""

    def parse(value: str) -> str:
        remedy = "(give postgresql://user:password@host:port/database)"
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError:  # whose text may quote a part of the password
            raise ValueError(f"is not a URL: its host or port is malformed {remedy}") from None
        if any(character <= " " or character == "\x7f" for character in value):
            raise ValueError(f"contains a space or a control character {remedy}")
        # The scheme is not told: it may be a password in the wrong place.
        if parts.scheme not in ("postgresql", "postgres"):
            raise ValueError(f"has another scheme {remedy}")
        if not parts.hostname and not parse_qs(parts.query).get("host"):
            raise ValueError(
                "has no host (give postgresql://host:port/database, or ?host=/folder for a socket)"
            )
        if not parts.path.strip("/"):
            raise ValueError(f"names no database {remedy}")
        if port == 0:
            raise ValueError(f"has the port 0, where nobody can listen {remedy}")
        return value

    return parse


def address() -> Parser[Address]:
    """A TCP address, see :meth:`Address.parse`."""
    return Address.parse


def cidrs() -> Parser[tuple[IPv4Network | IPv6Network, ...]]:
    """Networks, separated by commas: ``10.0.0.0/8, 2001:db8::/32``; a bare address is a network of one."""

    def parse(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
        networks = []
        for item in _items(value):
            try:
                networks.append(ip_network(item))
            except ValueError as problem:
                raise ValueError(
                    f"{item!r} is not a network: {problem} (give 10.0.0.0/8, 2001:db8::/32)"
                ) from None
        return tuple(networks)

    return parse


def base64_key(length: int = 32) -> Parser[bytes]:
    """A key of ``length`` bytes in standard base64 with padding (RFC 4648, section 4). The reason never quotes it."""

    def parse(value: str) -> bytes:
        try:
            key = binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
        except ValueError:  # binascii.Error and UnicodeEncodeError are of its kind
            raise ValueError(f"is not base64 (give {length} bytes in standard base64 with padding)") from None
        if len(key) != length:
            raise ValueError(f"has {len(key)} bytes (give {length} bytes in standard base64 with padding)")
        return key

    return parse


def mapping(key: Parser[K], value: Parser[V]) -> Parser[dict[K, V]]:
    """Pairs ``key=value``, separated by commas, in their order; a key given twice is an error."""

    def parse(given: str) -> dict[K, V]:
        result: dict[K, V] = {}
        for item in _items(given):
            left, equals, right = item.partition("=")
            if not equals:
                raise ValueError(f"{item!r} is not a pair (give key=value,key=value)")
            name = key(left.strip())
            if name in result:
                raise ValueError(f"{left.strip()!r} is given twice (give it once)")
            try:
                result[name] = value(right.strip())
            except ValueError as problem:
                raise ValueError(f"{left.strip()!r}: {problem}") from None
        return result

    return parse


def limit() -> Parser[Limit]:
    """A rate ``<burst>/<period in seconds>``: ``10/60`` is ten at once, refilled over a minute."""

    def parse(value: str) -> Limit:
        match = _RATE.fullmatch(value)
        if match is None:
            raise ValueError(f"{value!r} is not a limit (give <burst>/<period in seconds>, as in 10/60)")
        result = Limit(int(match[1]), float(match[2]))
        if result.burst < 1 or result.period_s <= 0:
            raise ValueError(f"{value!r} allows nothing (give a burst and a period above zero)")
        return result

    return parse


def _items(value: str) -> Sequence[str]:
    items = [item.strip() for item in value.split(",")]
    if not all(items):
        raise ValueError("has an empty item (remove the surplus comma)")
    return items
