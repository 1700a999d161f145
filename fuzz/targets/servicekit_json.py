"""Target: the strict reader of request bodies that every service uses."""

import msgspec

from targets import bodies


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A nested document."""

    name: str
    tags: list[str] = []


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """A document with every kind of field that the services' requests have."""

    email: str
    count: int = 0
    ratio: float = 0.0
    blocked: bool = False
    inner: Inner | None = None


def check(data: bytes) -> bool:
    """A body is refused with the 400 `invalid_request`, or it is what a plain JSON reader sees."""
    return bodies.check_body(Document, data)
