"""Target: the strict reader of query strings."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from targets import bodies


class Query(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A query with every kind of field that the services' queries have."""

    page_size: Annotated[int, Meta(ge=1, le=100)] = 20
    cursor: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    status: Literal["open", "any"] | UnsetType = UNSET


def check(data: bytes) -> bool:
    """A query is refused with the 400 `invalid_request`, or each field says what the document says."""
    return bodies.check_query(Query, data)
