"""The JSON documents of authsession's own HTTP operations, as published in `api/openapi.yaml`.

All of them are strict: unknown fields, missing fields and wrong types are 400 `invalid_request`.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

OpaqueId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[!-.0-~]+(?!\n)$",
        description="An opaque identifier: visible ASCII without '/', so that it is safe in a path and a header.",
    ),
]
TimeMs = Annotated[int, Meta(ge=0, description="Unix time in milliseconds.")]
ReasonCode = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[a-z][a-z0-9_]*(?!\n)$",
        description="Why: a stable word for machines, such as lost_device. The first reason of a change stays.",
    ),
]
Actor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+(?!\n)$",
        description="Who asked for the change: an opaque word kept with it, such as admin:17 or user:u1.",
    ),
]
Email = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=254,
        description="An e-mail address (RFC 5321, RFC 6531), compared and used in its normalised form.",
    ),
]


class Document(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A request document."""


class SendEmailCodeRequest(Document, frozen=True):
    """The address that a sign-in code goes to."""

    email: Email


class SendEmailCodeResponse(Document, frozen=True):
    """The same for known, unknown, blocked and throttled addresses."""

    challenge_id: Annotated[str, Meta(min_length=1, max_length=128)]


class ConfirmEmailCodeRequest(Document, frozen=True):
    """A code from a mail, and the device that signs in with it."""

    challenge_id: Annotated[str, Meta(min_length=1, max_length=128)]
    code: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=32,
            description="The six digits of the mail. Anything else is a wrong code, and one try less.",
        ),
    ]
    client_public_key: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=256,
            description="The device's Ed25519 public key (RFC 8032): canonical base64 of its 32 bytes.",
        ),
    ]
    time_zone: Annotated[
        str,
        Meta(min_length=1, max_length=128, description="An IANA time zone, such as Europe/Berlin."),
    ]


class ConfirmEmailCodeResponse(Document, frozen=True):
    """The session of the device."""

    device_session_id: OpaqueId


class Session(Document, frozen=True):
    """A device session. The three fields of its revocation are absent while it is active."""

    device_session_id: OpaqueId
    user_id: OpaqueId
    status: Literal["active", "revoked"]
    client_public_key: Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{43}=(?!\n)$")]
    time_zone: str
    created_at_ms: TimeMs
    version: Annotated[int, Meta(ge=1, description="One more with each change, as in the projection.")]
    revoked_at_ms: TimeMs | UnsetType = UNSET
    revoke_reason: ReasonCode | UnsetType = UNSET
    revoked_by: Actor | UnsetType = UNSET


class SessionPageQuery(Document, frozen=True):
    """Which page."""

    page_size: Annotated[int, Meta(ge=1, le=100, description="The most sessions of the page.")] = 20
    cursor: (
        Annotated[
            str,
            Meta(min_length=1, max_length=128, description="The page before gave it as next_cursor. Opaque."),
        ]
        | UnsetType
    ) = UNSET


class SessionPage(Document, frozen=True):
    """Sessions of a user, newest first. `next_cursor` is absent on the last page."""

    sessions: list[Session]
    next_cursor: str | UnsetType = UNSET


class RevocationRequest(Document, frozen=True):
    """Why sessions are revoked, and by whom."""

    reason_code: ReasonCode
    actor: Actor


class RevokeSessionResponse(Document, frozen=True):
    """The session after the call. `already_revoked` keeps the first reason, actor and time."""

    outcome: Literal["revoked", "already_revoked"]
    session: Session


class RevokeAllSessionsResponse(Document, frozen=True):
    """How many active sessions this call revoked; 0 when there was none."""

    user_id: OpaqueId
    revoked_count: Annotated[int, Meta(ge=0)]


class UserBlockRequest(Document, frozen=True):
    """Whom to block: exactly one of `user_id` and `email`."""

    reason_code: ReasonCode
    actor: Actor
    user_id: OpaqueId | UnsetType = UNSET
    email: Email | UnsetType = UNSET


class UserBlockResponse(Document, frozen=True):
    """The block in force. `already_blocked` keeps the first reason, actor and time."""

    outcome: Literal["blocked", "already_blocked"]
    subject: Literal["user_id", "email"]
    reason_code: ReasonCode
    actor: Actor
    blocked_at_ms: TimeMs
    revoked_count: Annotated[
        int, Meta(ge=0, description="Active sessions that this call revoked; always 0 for an e-mail block.")
    ]
