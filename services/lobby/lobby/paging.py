"""Pages of a list: a cursor says where the page before ended, so that what comes or goes meanwhile shifts nothing."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from msgspec import UNSET, UnsetType

from lobby.refusals import refusal

R = TypeVar("R")
T = TypeVar("T")

_CURSOR: Final = re.compile(r"p[0-9a-f]{1,15}")


def position(cursor: str | UnsetType) -> int | None:
    """Give the position of the last item of the page before; None for the first page. Raises ApiError 400."""
    if isinstance(cursor, UnsetType):
        return None
    if _CURSOR.fullmatch(cursor) is None:
        raise refusal("invalid_request", "cursor is not the next_cursor of a page.")
    return int(cursor[1:], 16)


def page(rows: Sequence[R], size: int, make: Callable[[R], T]) -> tuple[list[T], str | UnsetType]:
    """Give the items of a page and the next cursor, from rows with a `position`, one more than the page if there are more."""
    last: Any = rows[size - 1] if len(rows) > size else None
    cursor = UNSET if last is None else f"p{last['position']:x}"
    return [make(row) for row in rows[:size]], cursor
