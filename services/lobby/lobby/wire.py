"""The JSON documents of lobby's own HTTP operations, as published in `api/openapi.yaml`.

All of them are strict: unknown fields, missing fields and wrong types are 400 `invalid_request`.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from lobby.states import State

LEAST_PLAYERS: Final = 2
MOST_PLAYERS: Final = 64

OpaqueId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[!-.0-~]+(?!\n)$",
        description="An opaque identifier: visible ASCII without '/', so that it is safe in a path and a header.",
    ),
]
TimeMs = Annotated[int, Meta(ge=0, le=(1 << 53) - 1, description="Unix time in milliseconds.")]
GameName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="1 to 64 characters after NFC with runs of spaces made one; a letter or digit among them, no control "
        "or invisible character.",
    ),
]
RaceName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        description="1 to 32 characters, also in NFKC, with runs of spaces made one; a letter or digit among them, no "
        "control or invisible character. Unique within the game, whatever its case, width or form.",
    ),
]
ImageRef = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=r"^(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?/)?[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*"
        r":v?(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)(?:-[0-9A-Za-z.-]+)?(?!\n)$",
        description="The engine's container image, with a semantic version as its tag: registry.example/engine:1.2.3.",
    ),
]
Players = Annotated[int, Meta(ge=LEAST_PLAYERS, le=MOST_PLAYERS)]
Visibility = Literal["public", "private"]
ApplicationStatus = Literal["pending", "approved", "rejected", "withdrawn"]
InviteStatus = Literal["pending", "accepted", "declined", "revoked", "expired"]
Role = Literal["owner", "member", "invitee"]
PageSize = Annotated[int, Meta(ge=1, le=100, description="The most items of the page.")]
Cursor = Annotated[
    str,
    Meta(min_length=1, max_length=128, description="The page before gave it as next_cursor. Opaque."),
]


class Document(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A document."""


class CreateGameRequest(Document, frozen=True):
    """A new game, in the state draft. The caller owns it."""

    name: GameName
    visibility: Visibility
    min_players: Players
    max_players: Players
    enrollment_ends_at_ms: TimeMs
    image_ref: ImageRef


class UpdateGameRequest(Document, frozen=True):
    """What is to change: at least one field."""

    name: GameName | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    min_players: Players | UnsetType = UNSET
    max_players: Players | UnsetType = UNSET
    enrollment_ends_at_ms: TimeMs | UnsetType = UNSET
    image_ref: ImageRef | UnsetType = UNSET


class Game(Document, frozen=True):
    """A game as those who may see it see it."""

    game_id: OpaqueId
    owner_user_id: OpaqueId
    name: str
    visibility: Visibility
    status: State
    min_players: int
    max_players: int
    member_count: int
    enrollment_ends_at_ms: TimeMs
    image_ref: str
    version: Annotated[int, Meta(ge=1, description="One more with each change of the game or its members.")]
    created_at_ms: TimeMs
    updated_at_ms: TimeMs
    started_at_ms: Annotated[TimeMs, Meta(description="When it first ran.")] | UnsetType = UNSET
    ended_at_ms: Annotated[TimeMs, Meta(description="When it was finished or cancelled.")] | UnsetType = UNSET
    start_error_code: Annotated[str, Meta(description="Why the last start failed.")] | UnsetType = UNSET


class GamePageQuery(Document, frozen=True):
    """Which games, which page."""

    status: State | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET
    role: (
        Annotated[
            Role,
            Meta(
                description="Only games where the caller is this; absent: those, and public games that are no drafts."
            ),
        ]
        | UnsetType
    ) = UNSET
    page_size: PageSize = 20
    cursor: Cursor | UnsetType = UNSET


class GamePage(Document, frozen=True):
    """Games, newest first. `next_cursor` is absent on the last page."""

    games: list[Game]
    next_cursor: str | UnsetType = UNSET


class SubmitApplicationRequest(Document, frozen=True):
    """The name of the race that the applicant wants to play."""

    race_name: RaceName


class Application(Document, frozen=True):
    """A wish to join a public game. `decided_at_ms` is absent while it is pending."""

    application_id: OpaqueId
    game_id: OpaqueId
    user_id: OpaqueId
    race_name: str
    status: ApplicationStatus
    created_at_ms: TimeMs
    decided_at_ms: TimeMs | UnsetType = UNSET


class ApplicationPageQuery(Document, frozen=True):
    """Which applications, which page."""

    status: ApplicationStatus | UnsetType = UNSET
    page_size: PageSize = 20
    cursor: Cursor | UnsetType = UNSET


class ApplicationPage(Document, frozen=True):
    """Applications, newest first. `next_cursor` is absent on the last page."""

    applications: list[Application]
    next_cursor: str | UnsetType = UNSET


class CreateInviteRequest(Document, frozen=True):
    """Whom the owner asks to join."""

    invitee_user_id: OpaqueId


class AcceptInviteRequest(Document, frozen=True):
    """The name of the race that the invitee wants to play."""

    race_name: RaceName


class Invite(Document, frozen=True):
    """An invitation to a private game. `decided_at_ms` is absent while it is pending."""

    invite_id: OpaqueId
    game_id: OpaqueId
    inviter_user_id: OpaqueId
    invitee_user_id: OpaqueId
    status: InviteStatus
    created_at_ms: TimeMs
    expires_at_ms: TimeMs
    decided_at_ms: TimeMs | UnsetType = UNSET


class InvitePageQuery(Document, frozen=True):
    """Which invites, which page."""

    status: InviteStatus | UnsetType = UNSET
    page_size: PageSize = 20
    cursor: Cursor | UnsetType = UNSET


class InvitePage(Document, frozen=True):
    """Invites, newest first. `next_cursor` is absent on the last page."""

    invites: list[Invite]
    next_cursor: str | UnsetType = UNSET


class JoinGameRequest(Document, frozen=True):
    """The name of the race that the owner wants to play in his own game."""

    race_name: RaceName


class Member(Document, frozen=True):
    """A player of a game."""

    game_id: OpaqueId
    user_id: OpaqueId
    race_name: str
    joined_at_ms: TimeMs


class MemberPageQuery(Document, frozen=True):
    """Which page."""

    page_size: PageSize = 64
    cursor: Cursor | UnsetType = UNSET


class MemberPage(Document, frozen=True):
    """Members in the order in which they joined. `next_cursor` is absent on the last page."""

    members: list[Member]
    next_cursor: str | UnsetType = UNSET


class InternalGame(Document, frozen=True):
    """A game as the game master sees it: with its members, and with its runtime while there is one."""

    game: Game
    members: list[Member]
    start_attempt: Annotated[int, Meta(ge=0, description="How often it was started.")]
    start_requested_at_ms: TimeMs | UnsetType = UNSET
    container_id: str | UnsetType = UNSET
    engine_endpoint: str | UnsetType = UNSET
    start_error_message: str | UnsetType = UNSET
