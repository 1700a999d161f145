"""What is loaded, and whether that is allowed: nothing but the run's own environment, unless somebody says so by name."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from mistake import Mistake
from seatrial import Address

PERMISSION = "--i-may-load"


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway by its two public addresses, and the mailbox of those who sign in, if it can be read."""

    http: str
    """Base URL of the public HTTP listener."""
    grpc: str
    """`host:port` of the gRPC listener."""
    inbox: str | None = None
    """Base URL of the `Inbox` that receives the codes; None for a platform that is not ours."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that a worker would send load to, once each."""
        urls = [url for url in (self.http, self.inbox) if url is not None]
        found = [host_of(url) for url in urls] + [Address.parse(self.grpc).host]
        return tuple(dict.fromkeys(found))

    def as_json(self) -> dict[str, Any]:
        """For a message to the workers."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """What `as_json` gave."""
        return cls(document["http"], document["grpc"], document["inbox"])


def host_of(url: str) -> str:
    """The host that a URL names, in lower case; raises Mistake when it is not `http://host:port`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not url.startswith("http://") or host is None or port is None:
        raise Mistake(f"{url!r} is not the URL of a gateway's listener (write http://host:port)")
    return host


def foreign(http: str, grpc: str) -> Target:
    """A platform that is not the run's own; raises Mistake for addresses that cannot be read."""
    host_of(http)
    try:
        Address.parse(grpc)
    except ValueError as error:
        raise Mistake(f"--target-grpc {error}") from None
    return Target(http, grpc)


def check_permission(target: Target, permitted: Sequence[str]) -> None:
    """Raises Mistake unless each host of `target` is named, exactly as the target names it, by a URL in `permitted`.

    The loopback addresses are hosts like any other: what listens there may be a tunnel to somewhere else.
    """
    allowed = {host_of(url) for url in permitted}
    for host in target.hosts:
        if host not in allowed:
            said = f"{PERMISSION} names {', '.join(sorted(allowed))}" if allowed else f"without {PERMISSION}"
            raise Mistake(
                f"{host} is not the run's own environment, and is not loaded {said}"
                f" (if it is yours to load, say so by its name: {PERMISSION} {target.http})"
                if not allowed
                else f"{host} is not the run's own environment, and {said} (name the host exactly:"
                f" {PERMISSION} {target.http})"
            )


def check_order(target: Target, master: Address, permitted: Sequence[str]) -> None:
    """For a worker: its master may have it load the master's own host; anything else must be permitted here too.

    Raises Mistake.
    """
    if set(target.hosts) != {master.host}:
        check_permission(target, permitted)
