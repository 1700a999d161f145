"""What can be configured: the environment variables with the prefix LOBBY_."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from servicekit.config import ServiceConfig, optional, variable
from servicekit.parsers import Parser, integer, milliseconds, postgres_dsn, url
from servicekit.redis import Redis

PREFIX: Final = "LOBBY"
_INSTANCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def usable(parse: Parser[str], client: Callable[[str], object]) -> Parser[str]:
    """A URL that `client` takes: what it refuses is a wrong configuration, not a crash."""

    def checked(value: str) -> str:
        found = parse(value)
        client(found)
        return found

    return checked


def instance_id() -> Parser[str]:
    """A name for this process."""

    def parse(value: str) -> str:
        if _INSTANCE.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not a name (give 1 to 64 of A-Z a-z 0-9 . _ -)")
        return value

    return parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """lobby's variables."""

    postgres_dsn: str = variable(
        postgres_dsn(),
        secret=True,
        help="The database that holds all state, such as postgresql://user:password@host:5432/lobby",
    )
    postgres_timeout_ms: int = variable(
        milliseconds(), default="2000", unit="ms", help="Longest wait for an answer of Postgres"
    )
    postgres_max_connections: int = variable(
        integer(2, 1000), default="8", help="Connections to Postgres that may be open at the same time"
    )
    redis_url: str = variable(
        usable(url("redis", "unix"), Redis),
        help="The Redis of the streams, such as redis://127.0.0.1:6379/0; not a cluster",
    )
    redis_timeout_ms: int = variable(
        milliseconds(), default="1000", unit="ms", help="Longest wait for an answer of Redis"
    )
    instance_id: str | None = optional(
        instance_id(),
        help="Names this instance in the consumer groups; each running instance needs its own. Default: a random one",
    )
    claim_idle_ms: int = variable(
        milliseconds(),
        default="30000",
        unit="ms",
        help="Silence after which entries that another instance has taken are taken over from it",
    )
    tick_ms: int = variable(
        milliseconds(), default="1000", unit="ms", help="Pause between two looks at what time has ended"
    )
    start_timeout_ms: int = variable(
        milliseconds(),
        default="120000",
        unit="ms",
        help="How long a start may be without a result; then it has failed with start_timeout",
    )
    invite_ttl_ms: int = variable(
        milliseconds(),
        default="604800000",
        unit="ms",
        help="How long an invite is good; never beyond the end of enrolment",
    )
    messages_retention_ms: int = variable(
        milliseconds(),
        default="604800000",
        unit="ms",
        help="How long it is remembered what was sent and what was handled; longer than any outage",
    )
