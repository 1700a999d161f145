"""The errors that lobby's handlers give, each with its status."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from servicekit.errors import ApiError

Code = Literal[
    "invalid_request",
    "unauthenticated",
    "forbidden",
    "game_not_found",
    "application_not_found",
    "invite_not_found",
    "member_not_found",
    "unknown_command",
    "conflict",
    "race_name_taken",
    "invite_expired",
    "service_unavailable",
]

STATUS: Final[Mapping[Code, int]] = {
    "invalid_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "game_not_found": 404,
    "application_not_found": 404,
    "invite_not_found": 404,
    "member_not_found": 404,
    "unknown_command": 404,
    "conflict": 409,
    "race_name_taken": 409,
    "invite_expired": 410,
    "service_unavailable": 503,
}


def refusal(code: Code, message: str) -> ApiError:
    """Give the error to raise."""
    return ApiError(STATUS[code], code, message)


def by_status(codes: Iterable[Code]) -> dict[int, tuple[str, ...]]:
    """Group codes as servicekit's operations name them."""
    grouped: dict[int, tuple[str, ...]] = {}
    for code in codes:
        grouped[STATUS[code]] = (*grouped.get(STATUS[code], ()), code)
    return grouped
