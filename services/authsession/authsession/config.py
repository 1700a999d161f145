"""What can be configured: the environment variables with the prefix AUTHSESSION_."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from servicekit import stores
from servicekit.client import HttpClient
from servicekit.config import ServiceConfig, optional, variable
from servicekit.parsers import Parser, base64_key, integer, milliseconds, one_of, text, url, usable

PREFIX: Final = "AUTHSESSION"
_LOCALE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def locales() -> Parser[tuple[str, ...]]:
    """Locales, separated by commas; the first one is the fallback."""

    def parse(value: str) -> tuple[str, ...]:
        found = tuple(item.strip() for item in value.split(","))
        for item in found:
            if _LOCALE.fullmatch(item) is None:
                raise ValueError(f"{item!r} is not a locale (give BCP 47 tags such as en,de,pt-BR)")
        if len({item.lower() for item in found}) != len(found):
            raise ValueError("a locale is given twice (give it once)")
        return found

    return parse


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """authsession's variables."""

    redis_url: str = stores.redis_url("The Redis that holds all state")
    redis_timeout_ms: int = stores.redis_timeout_ms()
    code_pepper: bytes = variable(
        base64_key(32),
        secret=True,
        help="Secret of all instances, base64 of 32 random bytes: keys what Redis holds of codes and addresses",
    )
    locales: tuple[str, ...] = variable(
        locales(), default="en,de", help="Locales that mails are written in; the first one when nothing fits"
    )
    code_ttl_ms: int = variable(milliseconds(), default="600000", unit="ms", help="Lifetime of a code")
    challenge_retention_ms: int = variable(
        milliseconds(minimum=0),
        default="3600000",
        unit="ms",
        help="How long an expired challenge is still called expired, at least the send interval; then it is unknown",
    )
    send_interval_ms: int = variable(
        milliseconds(), default="60000", unit="ms", help="Least time between two mails to one address"
    )
    max_tries: int = variable(integer(1, 100), default="5", help="Wrong codes that a challenge takes")
    max_sessions_per_user: int = variable(
        integer(1, 1000), default="10", help="Active sessions that a user may have"
    )
    revoked_retention_ms: int = variable(
        milliseconds(), default="2592000000", unit="ms", help="How long a revoked session is kept"
    )
    session_events_max_length: int = variable(
        integer(100), default="100000", help="About how many entries gateway:session-events keeps"
    )
    user_adapter: str = variable(
        one_of("stub", "rest"),
        help="How users are found: rest asks AUTHSESSION_USER_URL, stub makes them up (development)",
    )
    user_url: str | None = optional(
        usable(url("http"), HttpClient), help="Base URL of the user service; needed by the rest adapter"
    )
    user_timeout_ms: int = variable(
        milliseconds(),
        default="1500",
        unit="ms",
        help="Longest wait for the user service; the gateway waits 2 s in all",
    )
    mail_adapter: str = variable(
        one_of("stub", "rest"),
        help="How mail is sent: rest asks AUTHSESSION_MAIL_URL, stub writes a file (development)",
    )
    mail_url: str | None = optional(
        usable(url("http"), HttpClient), help="Base URL of the mail service; needed by the rest adapter"
    )
    mail_stub_file: str | None = optional(
        text(), help="File that the stub adapter appends mails to, one JSON object a line; needed by it"
    )
    mail_timeout_ms: int = variable(
        milliseconds(), default="5000", unit="ms", help="Longest wait for one answer of the mail service"
    )
    mail_first_pause_ms: int = variable(
        milliseconds(),
        default="200",
        unit="ms",
        help="Pause after the first failed try of a mail; doubles with each",
    )
    mail_longest_pause_ms: int = variable(
        milliseconds(), default="10000", unit="ms", help="Longest pause between two tries of a mail"
    )
    mail_queue_limit: int = variable(
        integer(1, 1_000_000), default="1000", help="Mails that may wait; beyond it sending answers 503"
    )
    mail_concurrency: int = variable(
        integer(1, 1000), default="16", help="Mails that are sent at the same time"
    )

    @classmethod
    def conflicts(cls, prefix: str, values: Mapping[str, Any]) -> list[str]:
        """What an adapter needs and has not."""
        needed = (
            ("user_adapter", "rest", "user_url"),
            ("mail_adapter", "rest", "mail_url"),
            ("mail_adapter", "stub", "mail_stub_file"),
        )
        return [
            f"{prefix}_{place.upper()}: is missing (set it, {prefix}_{adapter.upper()} is {kind!r})"
            for adapter, kind, place in needed
            if values.get(adapter) == kind and place in values and values[place] is None
        ]
