"""The gateway's variables; README.md shows them as a table."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from servicekit.config import ServiceConfig, optional, variable
from servicekit.parsers import (
    Limit,
    base64_key,
    cidrs,
    integer,
    limit,
    mapping,
    milliseconds,
    text,
    url,
    usable,
)
from servicekit.redis import Redis

from gateway.envelope import ID_PATTERN
from gateway.routing import parse_prefix


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """Everything an operator can set."""

    redis_url: str = variable(
        usable(url("redis"), Redis),
        help="Sessions, replay protection, limits and streams: redis://host:port/db",
    )
    redis_timeout_ms: int = variable(
        milliseconds(), default="1000", unit="ms", help="Time for one answer of Redis; then calls fail closed"
    )
    signing_key: bytes = variable(
        base64_key(32),
        secret=True,
        help="Seed of the Ed25519 key that signs answers and events, base64 of 32 bytes",
    )
    authsession_url: str | None = optional(
        url("http"), help="Base URL of authsession; without it public sign-in answers 503"
    )
    authsession_timeout_ms: int = variable(
        milliseconds(),
        default="2000",
        unit="ms",
        help="Time for authsession's answer; then 504 upstream_timeout",
    )
    routes: dict[str, str] | None = optional(
        mapping(parse_prefix, url("http")),
        help="Services by prefix of message type: user.=http://host:port,lobby.=http://host:port",
    )
    downstream_timeout_ms: int = variable(
        milliseconds(),
        default="2000",
        unit="ms",
        help="Time for a service's answer to a command; then downstream_timeout",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] | None = optional(
        cidrs(), help="Networks whose X-Forwarded-For is believed: 10.0.0.0/8,2001:db8::/32"
    )
    instance_id: str | None = optional(
        text(pattern=ID_PATTERN.pattern, maximum=64),
        help="Names this instance's consumer groups; each running instance needs its own. Default: a random one",
    )
    freshness_window_ms: int = variable(
        milliseconds(),
        default="300000",
        unit="ms",
        help="How far timestamp_ms may be from the gateway's clock",
    )
    keepalive_time_ms: int = variable(
        milliseconds(minimum=1000),
        default="20000",
        unit="ms",
        help="Silence on a gRPC connection before it is pinged",
    )
    keepalive_timeout_ms: int = variable(
        milliseconds(),
        default="10000",
        unit="ms",
        help="Time for the answer to a ping; then the connection is dropped",
    )
    stream_buffer_events: int = variable(
        integer(minimum=1, maximum=65536),
        default="256",
        unit="events",
        help="Events a subscriber may have waiting; one more ends it with slow_consumer",
    )
    limit_send_code_ip: Limit = variable(
        limit(), default="30/60", unit="calls/s", help="send-email-code by client address"
    )
    limit_send_code_email: Limit = variable(
        limit(), default="10/600", unit="calls/s", help="send-email-code by e-mail address"
    )
    limit_confirm_code_ip: Limit = variable(
        limit(), default="60/60", unit="calls/s", help="confirm-email-code by client address"
    )
    limit_confirm_code_challenge: Limit = variable(
        limit(), default="20/600", unit="calls/s", help="confirm-email-code by challenge"
    )
    limit_signing_keys_ip: Limit = variable(
        limit(), default="60/60", unit="calls/s", help="signing-keys by client address"
    )
    limit_command_ip: Limit = variable(
        limit(), default="1200/60", unit="calls/s", help="gRPC calls by client address"
    )
    limit_command_session: Limit = variable(
        limit(), default="300/60", unit="calls/s", help="gRPC calls by session"
    )
    limit_command_user: Limit = variable(limit(), default="600/60", unit="calls/s", help="gRPC calls by user")
    limit_command_message_type: Limit = variable(
        limit(), default="6000/60", unit="calls/s", help="gRPC calls by message type, of all clients together"
    )
