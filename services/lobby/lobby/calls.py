"""A user's call: who, on what, with which document."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from servicekit import tracing
from servicekit.http import Headers, Request

from lobby.causes import Cause
from lobby.operations import USER_HEADER
from lobby.refusals import refusal

ID: Final = re.compile(r"[!-.0-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds that an operator may set."""

    invite_ttl_ms: int
    """How long an invite is good, at most."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the work of a public operation is given."""

    user_id: str
    ids: Mapping[str, str]
    """The parameters of the path, each an identifier by its form."""
    document: Any
    """The operation's `request` or `query`; None if it has neither."""
    cause: Cause
    rules: Rules


def caller(headers: Headers) -> str:
    """Give the user whom the gateway names. Raises ApiError 401 `unauthenticated`."""
    given = headers.all(USER_HEADER)
    if len(given) != 1 or ID.fullmatch(given[0]) is None:
        raise refusal("unauthenticated", f"{USER_HEADER} does not name a user; call through the gateway.")
    return given[0]


def cause(request: Request, actor: str | None) -> Cause:
    """Give the cause of what a request changes."""
    return Cause(actor, request.request_id, tracing.trace_id(request.headers.get("traceparent")) or "")
