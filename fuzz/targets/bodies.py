"""What holds for the body and the query of every operation: read as they were sent, or refused with `invalid_request`."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from servicekit.body import decode_json, decode_query
from servicekit.errors import ApiError
from servicekit.http import Operation

from targets.inputs import chosen


def check(operations: Iterable[Operation], data: bytes) -> bool:
    """Read an input: the operation's id on the first line (`listGames?` for its query), then the body or query."""
    name, content = chosen(data)
    operation = next((each for each in operations if each.id == name.removesuffix("?")), None)
    if operation is None:
        return False
    if name.endswith("?"):
        return operation.query is not None and check_query(operation.query, content)
    return operation.request is not None and check_body(operation.request, content)


def check_body(kind: type[msgspec.Struct], content: bytes) -> bool:
    """A body is refused, or it is what any reader of JSON sees in it; told again it is read as the same."""
    try:
        document = decode_json(content, kind)
    except ApiError as error:
        assert (error.status, error.code) == (400, "invalid_request")
        return False
    again = msgspec.json.encode(document)
    assert decode_json(again, kind) == document
    assert _part_of(json.loads(content), json.loads(again))
    return True


def check_query(kind: type[msgspec.Struct], content: bytes) -> bool:
    """A query is refused, or each of its fields is one of the document, and says the same there."""
    try:
        document = decode_query(content, kind)
    except ApiError as error:
        assert (error.status, error.code) == (400, "invalid_request")
        return False
    told = msgspec.to_builtins(document)
    pairs = parse_qsl(content.decode("ascii"), keep_blank_values=True)
    given = dict(pairs)
    assert len(pairs) == len(given)
    assert given.keys() <= set(kind.__struct_fields__)
    for name, value in given.items():
        assert name not in told or isinstance(told[name], int) or told[name] == value
    assert decode_query(urlencode(told).encode(), kind) == document
    return True


def _part_of(given: Any, read: Any) -> bool:
    """Whether all that was given was read; what was not given may have a default."""
    if isinstance(given, dict):
        return isinstance(read, dict) and all(
            name in read and _part_of(value, read[name]) for name, value in given.items()
        )
    if isinstance(given, list):
        return (
            isinstance(read, list)
            and len(given) == len(read)
            and all(_part_of(one, other) for one, other in zip(given, read, strict=True))
        )
    return bool(given == read)
