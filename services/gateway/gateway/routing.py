"""Check 8: which service owns a message type."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

PREFIX_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*\.")
RESERVED_PREFIX: Final = "gateway."


@dataclass(frozen=True, slots=True)
class Route:
    """Message types that start with `prefix` (which ends in a dot) go to the service at `base_url`."""

    prefix: str
    base_url: str


class Routes:
    """The routes of this gateway; the longest prefix that fits wins."""

    def __init__(self, routes: Mapping[str, str]) -> None:
        """`routes` maps prefixes to base URLs."""
        longest_first = sorted(routes, key=len, reverse=True)
        self._routes = tuple(Route(prefix, routes[prefix]) for prefix in longest_first)

    def find(self, message_type: str) -> Route | None:
        """The route for `message_type`, or None where no service owns it."""
        return next((route for route in self._routes if message_type.startswith(route.prefix)), None)

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)


def parse_prefix(text: str) -> str:
    """A prefix of message types. Raises ValueError saying what is wrong with it."""
    if PREFIX_PATTERN.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not dotted lower-case words that end in a dot (write it as 'lobby.')")
    if text.startswith(RESERVED_PREFIX):
        raise ValueError(f"{text!r} is the gateway's own prefix (remove the route)")
    return text
