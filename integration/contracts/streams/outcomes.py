"""Which kinds of entries the streams' contracts know: the outcomes that a boundary's suite must have seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.streams import schema

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What may be seen on a key; `of` tells which of `known` an entry is, None for one that counts for nothing."""

    known: tuple[str, ...]
    of: Callable[[Fields], str | None]


def _by(name: str, *known: str) -> Outcomes:
    return Outcomes(known, lambda fields: fields.get(name))


def _result(fields: Fields) -> str:
    replay = fields["error_code"] == "replay_no_op"
    return f"{fields['operation']} {'replay' if replay else fields['outcome']}"


_SET_ASIDE: Final = Outcomes(("rejected",), lambda _: "rejected")

TABLE: Final[Mapping[str, Outcomes]] = {
    schema.SESSION: _by("status", "active", "revoked"),
    schema.SESSION_EVENTS: _by("event", "session.created", "session.revoked"),
    schema.CLIENT_EVENTS: Outcomes(
        ("to a user", "to a session"),
        lambda fields: "to a session" if "device_session_id" in fields else "to a user",
    ),
    schema.START_JOBS: Outcomes(("job",), lambda _: "job"),
    schema.STOP_JOBS: _by("reason", "cancelled", "finished", "start_timeout"),
    schema.JOB_RESULTS: Outcomes(
        ("start success", "start failure", "start replay", "stop success", "stop replay"), _result
    ),
    schema.HEALTH_EVENTS: _by(
        "event_type",
        "container_started", "container_exited", "container_oom", "container_disappeared",
        "inspect_unhealthy", "probe_failed", "probe_recovered",
    ),
    schema.INTENTS: _by("audience_kind", "user", "admin_email"),
    schema.MAIL_COMMANDS: Outcomes(("mail",), lambda _: "mail"),
    schema.USER_EVENTS: _by("event", "user.blocked", "user.unblocked", "user.deleted"),
}  # fmt: skip


def known(key: str) -> tuple[str, ...]:
    """Every outcome of a key."""
    return _of_key(key).known


def of(key: str, fields: Fields) -> str | None:
    """Which outcome an entry is."""
    return _of_key(key).of(fields)


def _of_key(key: str) -> Outcomes:
    return _SET_ASIDE if key.endswith(":rejected") else TABLE[key]
