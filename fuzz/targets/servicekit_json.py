"""Target: the strict reader of request bodies that every service uses."""

import json

import msgspec
from servicekit.body import decode_json
from servicekit.errors import ApiError


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


def check(data: bytes) -> Document | None:
    """Read `data`; the document if it is one. Raises AssertionError when a promise of the reader does not hold."""
    try:
        document = decode_json(data, Document)
    except ApiError as error:
        assert (error.status, error.code) == (400, "invalid_request")
        return None
    plain = json.loads(data)
    assert isinstance(plain, dict)
    seen = json.loads(msgspec.json.encode(document))
    assert {name: seen[name] for name in plain if name != "inner"} == {
        name: value for name, value in plain.items() if name != "inner"
    }
    return document
