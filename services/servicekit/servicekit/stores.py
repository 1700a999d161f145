"""The variables of a service's stores and of its consumer groups, which are called and explained the same in each service.

@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    postgres_dsn: str = stores.postgres_dsn("The database that holds all state")
    redis_url: str = stores.redis_url("The Redis of the streams")
    instance_id: str | None = stores.instance_id()
"""

from servicekit import parsers
from servicekit.config import optional, variable
from servicekit.redis import Redis


def postgres_dsn(help: str) -> str:
    """Declare `postgres_dsn`, a secret. ``help`` says what the database is for, and gives an example."""
    return variable(parsers.postgres_dsn(), secret=True, help=help)


def postgres_timeout_ms() -> int:
    """Declare `postgres_timeout_ms`."""
    return variable(
        parsers.milliseconds(), default="2000", unit="ms", help="Longest wait for an answer of Postgres"
    )


def redis_url(what: str) -> str:
    """Declare `redis_url`. ``what`` says what this Redis is for."""
    return variable(
        parsers.usable(parsers.url("redis", "unix"), Redis),
        help=f"{what}, such as redis://127.0.0.1:6379/0; not a cluster",
    )


def redis_timeout_ms() -> int:
    """Declare `redis_timeout_ms`."""
    return variable(
        parsers.milliseconds(), default="1000", unit="ms", help="Longest wait for an answer of Redis"
    )


def instance_id() -> str | None:
    """Declare `instance_id`, the consumer's name in the service's groups (`streams.Consumer`)."""
    return optional(
        parsers.name(),
        help="Names this instance in the consumer groups; each running instance needs its own. Default: a random one",
    )


def claim_idle_ms() -> int:
    """Declare `claim_idle_ms` (`streams.Consumer`)."""
    return variable(
        parsers.milliseconds(),
        default="30000",
        unit="ms",
        help="Silence after which entries that another instance has taken are taken over from it",
    )
