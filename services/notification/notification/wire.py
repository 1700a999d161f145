"""The JSON documents of notification's HTTP operations, as published in `api/openapi.yaml`.

All of them are strict: unknown fields, missing fields and wrong types are 400 `invalid_request`.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from notification.catalogue import AudienceKind, Channel

MAX_TIME_MS: Final = 9_999_999_999_999_999

TimeMs = Annotated[int, Meta(ge=0, description="Unix time in milliseconds.")]
IdempotencyKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        pattern=r"^[!-~]+(?!\n)$",
        description="Visible ASCII. In a path it is percent-encoded.",
    ),
]
DeadLetterId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[!-.0-~]+(?!\n)$")]
ReasonCode = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[a-z][a-z0-9_]*(?!\n)$",
        description="Why: a stable word for machines, such as template_mended.",
    ),
]
Actor = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+(?!\n)$",
        description="Who asks: an opaque word kept with the change, such as admin:17.",
    ),
]
RouteState = Literal["pending", "delivered", "suppressed", "dead", "discarded"]
DeadLetterStatus = Literal["open", "replayed", "discarded"]
ErrorCode = Annotated[
    str,
    Meta(
        description="Why the last attempt failed, or why nothing is sent: user_service_unavailable, user_service_malformed, "
        "user_not_found, no_address, invalid_address, recipient_not_configured, template_failed, publish_refused, "
        "redis_unavailable, delivery_failed, user_blocked, user_deleted."
    ),
]


class Document(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A document."""


class Route(Document, frozen=True):
    """What became of one recipient on one channel.

    `pending` waits for its first or next attempt; `delivered` is in the channel's stream; `suppressed` is not sent on
    purpose (`user_blocked`, `user_deleted`); `dead` has an open dead letter; `discarded` had one.
    """

    channel: Channel
    recipient: Annotated[
        str, Meta(description="The user's id; for an administrator admin: and a hash of the address.")
    ]
    delivery_id: Annotated[
        str,
        Meta(description="event_id in gateway:client-events, or delivery_id in mail:delivery_commands."),
    ]
    state: RouteState
    attempts: Annotated[int, Meta(ge=0, description="Attempts of the present budget.")]
    next_attempt_at_ms: (
        Annotated[
            int, Meta(ge=0, description="While pending: when it is tried next, or given up by who has it.")
        ]
        | UnsetType
    ) = UNSET
    finished_at_ms: TimeMs | UnsetType = UNSET
    error_code: ErrorCode | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    recipient_email: Annotated[str, Meta(description="Masked, such as a***@e***.test.")] | UnsetType = UNSET
    locale: Annotated[str, Meta(description="The locale that the mail was written in.")] | UnsetType = UNSET


class Conflict(Document, frozen=True):
    """An entry that came with the same idempotency key and other content. It was rejected."""

    entry_id: Annotated[str, Meta(description="Its id in notification:intents.")]
    notification_type: str
    producer: str
    occurred_at_ms: TimeMs
    request_id: str
    received_at_ms: TimeMs


class IntentState(Document, frozen=True):
    """An intent, the state of each of its routes, and what was rejected under its key (the newest 100)."""

    idempotency_key: IdempotencyKey
    notification_type: str
    producer: str
    audience_kind: AudienceKind
    occurred_at_ms: TimeMs
    received_at_ms: TimeMs
    request_id: str
    trace_id: Annotated[str, Meta(description="Empty when there is none.")]
    entry_id: Annotated[str, Meta(description="Its id in notification:intents.")]
    routes: list[Route]
    conflicts: list[Conflict]


class DeadLetterQuery(Document, frozen=True):
    """Which dead letters, and which page of them."""

    page_size: Annotated[int, Meta(ge=1, le=100, description="The most dead letters of the page.")] = 20
    cursor: (
        Annotated[
            str,
            Meta(min_length=1, max_length=64, description="The page before gave it as next_cursor. Opaque."),
        ]
        | UnsetType
    ) = UNSET
    status: Annotated[
        Literal["open", "replayed", "discarded", "any"], Meta(description="Those that need somebody: open.")
    ] = "open"
    channel: Channel | UnsetType = UNSET
    notification_type: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    from_ms: (
        Annotated[
            int, Meta(ge=0, le=MAX_TIME_MS, description="Died at this time or later, Unix milliseconds.")
        ]
        | UnsetType
    ) = UNSET
    until_ms: (
        Annotated[int, Meta(ge=0, le=MAX_TIME_MS, description="Died before this time, Unix milliseconds.")]
        | UnsetType
    ) = UNSET


class DeadLetter(Document, frozen=True):
    """A route that was given up. The last three fields are there once it was replayed or discarded."""

    dead_letter_id: DeadLetterId
    status: DeadLetterStatus
    channel: Channel
    notification_type: str
    idempotency_key: IdempotencyKey
    recipient: str
    delivery_id: str
    attempts: Annotated[int, Meta(ge=1)]
    error_code: ErrorCode
    error_message: str
    died_at_ms: TimeMs
    resolved_at_ms: TimeMs | UnsetType = UNSET
    resolved_by: Actor | UnsetType = UNSET
    resolution_reason: ReasonCode | UnsetType = UNSET


class DeadLetterPage(Document, frozen=True):
    """Dead letters, the last to die first. `next_cursor` is absent on the last page."""

    dead_letters: list[DeadLetter]
    next_cursor: str | UnsetType = UNSET


class ResolutionRequest(Document, frozen=True):
    """Why a dead letter is replayed or discarded, and by whom."""

    reason_code: ReasonCode
    actor: Actor


class ReplayResponse(Document, frozen=True):
    """The dead letter after the call. `already_replayed` keeps the first reason, actor and time."""

    outcome: Literal["replayed", "already_replayed"]
    dead_letter: DeadLetter


class DiscardResponse(Document, frozen=True):
    """The dead letter after the call. `already_discarded` keeps the first reason, actor and time."""

    outcome: Literal["discarded", "already_discarded"]
    dead_letter: DeadLetter
