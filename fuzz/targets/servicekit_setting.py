"""Target: the parsers of configuration's values: numbers, sizes, durations, limits, URLs, DSNs, networks, keys, pairs."""

import base64
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from servicekit import parsers
from servicekit.client import HttpClient
from servicekit.redis import Redis

from targets.inputs import chosen

PARSERS: dict[str, parsers.Parser[Any]] = {
    "base64_key": parsers.base64_key(),
    "boolean": parsers.boolean(),
    "cidrs": parsers.cidrs(),
    "http": parsers.usable(parsers.url("http"), HttpClient),
    "integer": parsers.integer(-5, 10**12),
    "limit": parsers.limit(),
    "mapping": parsers.mapping(parsers.name(), parsers.integer()),
    "milliseconds": parsers.milliseconds(),
    "name": parsers.name(),
    "postgres": parsers.postgres_dsn(),
    "redis": parsers.usable(parsers.url("redis", "unix"), Redis),
    "size": parsers.size(),
    "text": parsers.text(pattern=r"[a-z/]+", maximum=64),
}
TOLD: dict[str, Callable[[Any], str]] = {
    "base64_key": lambda key: base64.b64encode(key).decode(),
    "boolean": lambda value: str(value).lower(),
    "cidrs": lambda networks: ",".join(map(str, networks)),
    "limit": lambda limit: f"{limit.burst}/{limit.period_s:.3f}",
    "mapping": lambda pairs: ",".join(f"{name}={value}" for name, value in pairs.items()),
}
"""How a value is written again, where it is not its own text."""


def check(data: bytes) -> bool:
    """A value (after the parser's name on the first line) is refused with a reason and a remedy, or it is read again as the same
    from its own text."""
    name, rest = chosen(data)
    parse = PARSERS.get(name)
    if parse is None:
        return False
    try:
        value = parse(rest.decode(errors="surrogateescape"))
    except ValueError as error:
        assert str(error).endswith(")"), str(error)
        return False
    again = TOLD.get(name, str)(value)
    assert parse(again) == value
    if name == "cidrs":
        assert all(ip_network(str(network)) == network for network in value)
    if name in {"http", "redis"}:
        value.encode("ascii")
    return True
