"""What can be configured: the environment variables with the prefix NOTIFICATION_."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from servicekit import stores
from servicekit.client import HttpClient
from servicekit.config import ServiceConfig, variable
from servicekit.parsers import Parser, integer, milliseconds, url, usable

from notification.address import InvalidAddress, checked
from notification.language import is_tag

PREFIX: Final = "NOTIFICATION"


def addresses() -> Parser[tuple[str, ...]]:
    """E-mail addresses, separated by commas. The reason never quotes one."""

    def parse(value: str) -> tuple[str, ...]:
        found = tuple(item.strip() for item in value.split(","))
        for number, item in enumerate(found, 1):
            try:
                checked(item)
            except InvalidAddress as error:
                raise ValueError(
                    f"address {number} {error} (give ada@example.test,bob@example.test)"
                ) from None
        if len({item.lower() for item in found}) != len(found):
            raise ValueError("an address is given twice (give it once)")
        return found

    return parse


def locale() -> Parser[str]:
    """A BCP 47 tag."""

    def parse(value: str) -> str:
        if not is_tag(value):
            raise ValueError(f"{value!r} is not a language (give a BCP 47 tag such as en, de-AT)")
        return value

    return parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """notification's variables."""

    postgres_dsn: str = stores.postgres_dsn(
        "The database, such as postgresql://user:password@host:5432/notification"
    )
    postgres_timeout_ms: int = stores.postgres_timeout_ms()
    redis_url: str = stores.redis_url("The Redis of the streams")
    redis_timeout_ms: int = stores.redis_timeout_ms()
    instance_id: str | None = stores.instance_id()
    claim_idle_ms: int = stores.claim_idle_ms()
    batch_size: int = variable(
        integer(1, 1000), default="200", help="Intents that are taken in together, in one transaction"
    )
    user_url: str = variable(usable(url("http"), HttpClient), help="Base URL of the user service")
    user_timeout_ms: int = variable(
        milliseconds(), default="1500", unit="ms", help="Longest wait for the user service"
    )
    admin_emails: tuple[str, ...] = variable(
        addresses(), secret=True, help="Addresses that administrators' e-mail goes to, separated by commas"
    )
    admin_locale: str = variable(locale(), default="en", help="Language of administrators' e-mail")
    push_max_attempts: int = variable(
        integer(1, 1000), default="10", help="Attempts of a push before it is given up"
    )
    push_backoff_first_ms: int = variable(
        milliseconds(),
        default="200",
        unit="ms",
        help="Pause after the first failed attempt of a push; doubles with each",
    )
    push_backoff_most_ms: int = variable(
        milliseconds(), default="30000", unit="ms", help="Longest pause between two attempts of a push"
    )
    email_max_attempts: int = variable(
        integer(1, 1000), default="20", help="Attempts of an e-mail before it is given up"
    )
    email_backoff_first_ms: int = variable(
        milliseconds(),
        default="1000",
        unit="ms",
        help="Pause after the first failed attempt of an e-mail; doubles with each",
    )
    email_backoff_most_ms: int = variable(
        milliseconds(), default="300000", unit="ms", help="Longest pause between two attempts of an e-mail"
    )
    lease_ms: int = variable(
        milliseconds(),
        default="15000",
        unit="ms",
        help="How long an instance may take for an attempt before another one takes the route over",
    )
    poll_ms: int = variable(
        milliseconds(),
        default="500",
        unit="ms",
        help="Longest time until an instance notices what another one has left or replayed",
    )
    deduplication_ms: int = variable(
        milliseconds(),
        default="3600000",
        unit="ms",
        help="How long Redis remembers what was written, so that nothing is written twice",
    )
    client_events_max_length: int = variable(
        integer(100), default="100000", help="About how many entries gateway:client-events keeps"
    )
    mail_commands_max_length: int = variable(
        integer(100),
        default="100000",
        help="About how many entries mail:delivery_commands keeps; older ones are lost",
    )
    retention_ms: int = variable(
        milliseconds(),
        default="2592000000",
        unit="ms",
        help="How long an intent is kept after its last route was finished; until then its key is known",
    )
    prune_interval_ms: int = variable(
        milliseconds(), default="60000", unit="ms", help="Time between two rounds of pruning and counting"
    )

    @classmethod
    def conflicts(cls, prefix: str, values: Mapping[str, Any]) -> list[str]:
        """What does not fit together."""
        problems = []
        for channel in ("push", "email"):
            first, most = (values.get(f"{channel}_backoff_{name}_ms") for name in ("first", "most"))
            if first is not None and most is not None and first > most:
                problems.append(
                    f"{prefix}_{channel.upper()}_BACKOFF_FIRST_MS: {first} is more than {prefix}_{channel.upper()}_"
                    f"BACKOFF_MOST_MS, {most} (make it at most that)"
                )
        lease, user = values.get("lease_ms"), values.get("user_timeout_ms")
        if lease is not None and user is not None and lease <= user:
            problems.append(
                f"{prefix}_LEASE_MS: {lease} is not more than {prefix}_USER_TIMEOUT_MS, {user} (an attempt may take that "
                "long, give more)"
            )
        remembered = values.get("deduplication_ms")
        longest = max((values.get(name) or 0) for name in ("push_backoff_most_ms", "email_backoff_most_ms"))
        if remembered is not None and lease is not None and remembered < lease + longest:
            problems.append(
                f"{prefix}_DEDUPLICATION_MS: {remembered} is less than a lease and the longest pause, {lease + longest} "
                "(what is tried again would not be known again, give more)"
            )
        return problems
