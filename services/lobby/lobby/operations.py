"""lobby's HTTP operations, as the router serves them and as `api/openapi.yaml` publishes them."""

from typing import Final

from msgspec import Struct
from servicekit.http import Operation

from lobby import wire
from lobby.refusals import Code, by_status

USER_HEADER: Final = "X-User-Id"
USER_HEADER_TEXT: Final = (
    "Who calls; the gateway sets it. Without it, or if it is no identifier: 401 unauthenticated."
)

_GAMES: Final = "/api/v1/games"
_GAME: Final = f"{_GAMES}/{{game_id}}"
_APPLICATION: Final = f"{_GAME}/applications/{{application_id}}"
_INVITE: Final = f"{_GAME}/invites/{{invite_id}}"
_INTERNAL_GAME: Final = "/api/v1/internal/games/{game_id}"


def _public(
    id: str,
    method: str,
    path: str,
    response: type[Struct],
    *codes: Code,
    summary: str,
    description: str = "",
    request: type[Struct] | None = None,
    query: type[Struct] | None = None,
    status: int = 200,
) -> Operation:
    """An operation of a user."""
    common: list[Code] = ["unauthenticated", "service_unavailable"]
    if "{game_id}" in path:
        common.append("game_not_found")
    return Operation(
        id=id,
        method=method,
        path=path,
        summary=summary,
        description=description,
        request=request,
        query=query,
        response=response,
        status=status,
        errors=by_status([*codes, *common]),
        request_headers={USER_HEADER: USER_HEADER_TEXT},
    )


def _transition(id: str, name: str, summary: str, description: str = "") -> Operation:
    """A transition that a game's owner asks for."""
    return _public(
        id,
        "POST",
        f"{_GAME}/{name}",
        wire.Game,
        "forbidden",
        "conflict",
        summary=summary,
        description=description,
    )


def _internal(
    id: str, method: str, path: str, response: type[Struct], *codes: Code, summary: str
) -> Operation:
    """An operation of the game master."""
    return Operation(
        id=id,
        method=method,
        path=path,
        summary=summary,
        response=response,
        errors=by_status([*codes, "game_not_found", "service_unavailable"]),
    )


CREATE_GAME: Final = _public(
    "createGame",
    "POST",
    _GAMES,
    wire.Game,
    request=wire.CreateGameRequest,
    status=201,
    summary="Creates a game, in the state draft.",
    description="min_players must not exceed max_players, and enrollment_ends_at_ms must be in the future.",
)
LIST_GAMES: Final = _public(
    "listGames",
    "GET",
    _GAMES,
    wire.GamePage,
    query=wire.GamePageQuery,
    summary="The games that the caller may see, newest first, page by page.",
    description="Drafts of others are left out, though a public one can be read by its id.",
)
GET_GAME: Final = _public("getGame", "GET", _GAME, wire.Game, summary="One game.")
UPDATE_GAME: Final = _public(
    "updateGame",
    "PATCH",
    _GAME,
    wire.Game,
    "forbidden",
    "conflict",
    request=wire.UpdateGameRequest,
    summary="Changes a game.",
    description=(
        "For its owner. A draft: everything. While enrolment is open: all but visibility; max_players not below the members "
        "that there are, and if it equals them enrolment closes. When ready_to_start or start_failed: name, min_players, "
        "image_ref. Otherwise, and for other fields, 409 conflict."
    ),
)
OPEN_ENROLLMENT: Final = _transition(
    "openEnrollment",
    "open-enrollment",
    "draft to enrollment_open.",
    "409 conflict as well when enrollment_ends_at_ms has passed.",
)
CLOSE_ENROLLMENT: Final = _transition(
    "closeEnrollment",
    "close-enrollment",
    "enrollment_open to ready_to_start.",
    "409 conflict as well below min_players. Pending applications are rejected, pending invites revoked. Enrolment also "
    "closes by itself when max_players is reached, and at its end, when the game is cancelled below min_players.",
)
START_GAME: Final = _transition(
    "startGame",
    "start",
    "ready_to_start or start_failed to starting.",
    "409 conflict as well when members have left and there are fewer than min_players. The result comes later: running or "
    "start_failed, the latter also after LOBBY_START_TIMEOUT_MS without one.",
)
PAUSE_GAME: Final = _transition("pauseGame", "pause", "running to paused.")
RESUME_GAME: Final = _transition("resumeGame", "resume", "paused to running.")
FINISH_GAME: Final = _transition("finishGame", "finish", "running or paused to finished.")
CANCEL_GAME: Final = _transition("cancelGame", "cancel", "Any state before running to cancelled.")
SUBMIT_APPLICATION: Final = _public(
    "submitApplication",
    "POST",
    f"{_GAME}/applications",
    wire.Application,
    "conflict",
    "race_name_taken",
    request=wire.SubmitApplicationRequest,
    status=201,
    summary="Asks to join a public game whose enrolment is open.",
    description="The race name is reserved until the application is rejected or withdrawn, or the member leaves.",
)
LIST_APPLICATIONS: Final = _public(
    "listApplications",
    "GET",
    f"{_GAME}/applications",
    wire.ApplicationPage,
    query=wire.ApplicationPageQuery,
    summary="A game's applications, newest first: all for its owner, for others their own.",
)
APPROVE_APPLICATION: Final = _public(
    "approveApplication",
    "POST",
    f"{_APPLICATION}/approve",
    wire.Application,
    "forbidden",
    "application_not_found",
    "conflict",
    summary="Makes the applicant a member; for the owner.",
    description="409 conflict when enrolment is not open (a full game's is not) or the application is not pending.",
)
REJECT_APPLICATION: Final = _public(
    "rejectApplication",
    "POST",
    f"{_APPLICATION}/reject",
    wire.Application,
    "forbidden",
    "application_not_found",
    "conflict",
    summary="Rejects a pending application; for the owner.",
)
WITHDRAW_APPLICATION: Final = _public(
    "withdrawApplication",
    "POST",
    f"{_APPLICATION}/withdraw",
    wire.Application,
    "forbidden",
    "application_not_found",
    "conflict",
    summary="Withdraws a pending application; for the applicant.",
)
CREATE_INVITE: Final = _public(
    "createInvite",
    "POST",
    f"{_GAME}/invites",
    wire.Invite,
    "forbidden",
    "conflict",
    request=wire.CreateInviteRequest,
    status=201,
    summary="Asks a user to join a private game whose enrolment is open; for the owner.",
    description="An invite expires after LOBBY_INVITE_TTL_MS, or when enrolment ends.",
)
LIST_INVITES: Final = _public(
    "listInvites",
    "GET",
    f"{_GAME}/invites",
    wire.InvitePage,
    query=wire.InvitePageQuery,
    summary="A game's invites, newest first: all for its owner, for others their own.",
)
ACCEPT_INVITE: Final = _public(
    "acceptInvite",
    "POST",
    f"{_INVITE}/accept",
    wire.Invite,
    "forbidden",
    "invite_not_found",
    "conflict",
    "race_name_taken",
    "invite_expired",
    request=wire.AcceptInviteRequest,
    summary="Makes the invitee a member.",
)
DECLINE_INVITE: Final = _public(
    "declineInvite",
    "POST",
    f"{_INVITE}/decline",
    wire.Invite,
    "forbidden",
    "invite_not_found",
    "conflict",
    "invite_expired",
    summary="Declines a pending invite; for the invitee.",
)
REVOKE_INVITE: Final = _public(
    "revokeInvite",
    "POST",
    f"{_INVITE}/revoke",
    wire.Invite,
    "forbidden",
    "invite_not_found",
    "conflict",
    "invite_expired",
    summary="Takes a pending invite back; for the owner.",
)
JOIN_GAME: Final = _public(
    "joinGame",
    "POST",
    f"{_GAME}/members",
    wire.Member,
    "forbidden",
    "conflict",
    "race_name_taken",
    request=wire.JoinGameRequest,
    status=201,
    summary="Makes the owner a member of his own game while enrolment is open.",
    description="Others apply or are invited.",
)
LIST_MEMBERS: Final = _public(
    "listMembers",
    "GET",
    f"{_GAME}/members",
    wire.MemberPage,
    query=wire.MemberPageQuery,
    summary="A game's members, in the order in which they joined.",
)
REMOVE_MEMBER: Final = _public(
    "removeMember",
    "DELETE",
    f"{_GAME}/members/{{user_id}}",
    wire.Member,
    "forbidden",
    "member_not_found",
    "conflict",
    summary="Ends a membership: a member leaves, or the owner removes him.",
    description="In every state but finished and cancelled. The race name is free again. Gives the membership that ended.",
)

PUBLIC: Final = (
    CREATE_GAME,
    LIST_GAMES,
    GET_GAME,
    UPDATE_GAME,
    OPEN_ENROLLMENT,
    CLOSE_ENROLLMENT,
    START_GAME,
    PAUSE_GAME,
    RESUME_GAME,
    FINISH_GAME,
    CANCEL_GAME,
    SUBMIT_APPLICATION,
    LIST_APPLICATIONS,
    APPROVE_APPLICATION,
    REJECT_APPLICATION,
    WITHDRAW_APPLICATION,
    CREATE_INVITE,
    LIST_INVITES,
    ACCEPT_INVITE,
    DECLINE_INVITE,
    REVOKE_INVITE,
    JOIN_GAME,
    LIST_MEMBERS,
    REMOVE_MEMBER,
)
"""What a user may do, by REST or as a command."""

GET_INTERNAL_GAME: Final = _internal(
    "getInternalGame",
    "GET",
    _INTERNAL_GAME,
    wire.InternalGame,
    summary="One game with its members and its runtime.",
)
PAUSE_INTERNAL_GAME: Final = _internal(
    "pauseInternalGame",
    "POST",
    f"{_INTERNAL_GAME}/pause",
    wire.Game,
    "conflict",
    summary="running to paused.",
)
RESUME_INTERNAL_GAME: Final = _internal(
    "resumeInternalGame",
    "POST",
    f"{_INTERNAL_GAME}/resume",
    wire.Game,
    "conflict",
    summary="paused to running.",
)
FINISH_INTERNAL_GAME: Final = _internal(
    "finishInternalGame",
    "POST",
    f"{_INTERNAL_GAME}/finish",
    wire.Game,
    "conflict",
    summary="running or paused to finished.",
)
CANCEL_INTERNAL_GAME: Final = _internal(
    "cancelInternalGame",
    "POST",
    f"{_INTERNAL_GAME}/cancel",
    wire.Game,
    "conflict",
    summary="Any state before running to cancelled.",
)

INTERNAL: Final = (
    GET_INTERNAL_GAME,
    PAUSE_INTERNAL_GAME,
    RESUME_INTERNAL_GAME,
    FINISH_INTERNAL_GAME,
    CANCEL_INTERNAL_GAME,
)
"""What the game master may do, whoever owns the game."""
