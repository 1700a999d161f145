"""The JSON documents of rtmanager's HTTP operations, as published in `api/openapi.yaml`.

All of them are strict: unknown fields, missing fields and wrong types are 400 `invalid_request`.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

GAME_ID_PATTERN: Final = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,57}(?!\n)$"
IMAGE_REF_PATTERN: Final = r"^[!-~]+(?!\n)$"
REASON_PATTERN: Final = r"^[a-z_]+(?!\n)$"

GameId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=58,
        pattern=GAME_ID_PATTERN,
        description="A game's id: it names the container and the host game-{game_id}, whose length DNS bounds to 63.",
    ),
]
TimeMs = Annotated[int, Meta(ge=0, description="Unix time in milliseconds.")]
ImageRef = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=IMAGE_REF_PATTERN,
        description="An image reference, [registry/]name:tag. Patches need a semantic version as tag.",
    ),
]
Reason = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=REASON_PATTERN,
        description="Why: a stable word, such as cancelled.",
    ),
]
Status = Literal["running", "stopped", "removed"]
Kind = Literal["start", "stop", "restart", "patch", "cleanup"]
Source = Literal["gm", "admin", "lobby_stream", "retention"]
PageSize = Annotated[int, Meta(ge=1, le=100, description="The most entries of the page.")]
Cursor = Annotated[
    str,
    Meta(min_length=1, max_length=128, description="The page before gave it as next_cursor. Opaque."),
]


class Document(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A document."""


class StartRequest(Document, frozen=True):
    """Which engine to run."""

    image_ref: ImageRef


class StopRequest(Document, frozen=True):
    """Why it is stopped."""

    reason: Reason


class PatchRequest(Document, frozen=True):
    """The image to go on with: the same name, the same major and minor version."""

    image_ref: ImageRef


class Runtime(Document, frozen=True):
    """The record of a game's engine.

    `running` has a container that runs, `stopped` one that has ended, `removed` none. A new start of a removed game begins a
    new record.
    """

    game_id: GameId
    status: Status
    image_ref: str
    container_id: Annotated[str, Meta(description="Docker's id; of a removed runtime the last one.")]
    engine_endpoint: Annotated[str, Meta(description="Base URL of the engine inside the Docker network.")]
    probe: Annotated[
        Literal["ok", "failed"],
        Meta(
            description="failed: the engine does not answer /healthz, after probe_failed; until probe_recovered."
        ),
    ]
    created_at_ms: TimeMs
    started_at_ms: TimeMs
    updated_at_ms: TimeMs
    version: Annotated[int, Meta(ge=1, description="One more with each change of the record.")]
    stopped_at_ms: TimeMs | UnsetType = UNSET
    removed_at_ms: TimeMs | UnsetType = UNSET


class RuntimeQuery(Document, frozen=True):
    """Which page, of which runtimes."""

    status: Status | UnsetType = UNSET
    page_size: PageSize = 20
    cursor: Cursor | UnsetType = UNSET


class RuntimePage(Document, frozen=True):
    """Runtimes, ordered by game_id. `next_cursor` is absent on the last page."""

    runtimes: list[Runtime]
    next_cursor: str | UnsetType = UNSET


class OperationEntry(Document, frozen=True):
    """An entry of the operation log."""

    operation_id: str
    kind: Kind
    op_source: Annotated[
        Source,
        Meta(description="Who asked: X-Caller, lobby_stream for jobs, retention for rtmanager itself."),
    ]
    status: Annotated[
        Literal["queued", "running", "success", "failure"],
        Meta(description="queued: a job that waits its turn."),
    ]
    image_ref: Annotated[str, Meta(description="Empty where the operation has none of its own.")]
    reason: Annotated[str, Meta(description="Of a stop; else empty.")]
    container_id: Annotated[str, Meta(description="The container at its end; empty if there was none.")]
    error_code: Annotated[
        str, Meta(description="Of a failure; replay_no_op of a success that changed nothing.")
    ]
    error_message: str
    requested_at_ms: TimeMs
    started_at_ms: TimeMs | UnsetType = UNSET
    finished_at_ms: TimeMs | UnsetType = UNSET


class OperationQuery(Document, frozen=True):
    """Which page."""

    page_size: PageSize = 20
    cursor: Cursor | UnsetType = UNSET


class OperationPage(Document, frozen=True):
    """The operations of a game, newest first. `next_cursor` is absent on the last page."""

    operations: list[OperationEntry]
    next_cursor: str | UnsetType = UNSET
