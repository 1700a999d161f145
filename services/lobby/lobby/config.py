"""What can be configured: the environment variables with the prefix LOBBY_."""

from dataclasses import dataclass
from typing import Final

from servicekit import stores
from servicekit.config import ServiceConfig, variable
from servicekit.parsers import integer, milliseconds

PREFIX: Final = "LOBBY"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """lobby's variables."""

    postgres_dsn: str = stores.postgres_dsn(
        "The database that holds all state, such as postgresql://user:password@host:5432/lobby"
    )
    postgres_timeout_ms: int = stores.postgres_timeout_ms()
    postgres_max_connections: int = variable(
        integer(2, 1000), default="8", help="Connections to Postgres that may be open at the same time"
    )
    redis_url: str = stores.redis_url("The Redis of the streams")
    redis_timeout_ms: int = stores.redis_timeout_ms()
    instance_id: str | None = stores.instance_id()
    claim_idle_ms: int = stores.claim_idle_ms()
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
