"""Strict decoding, held against arbitrary documents."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.body import decode_json, decode_query
from servicekit.errors import ApiError

_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"))
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


def _outcome(decode: Callable[[], object]) -> object:
    try:
        decode()
    except ApiError as error:
        return error.status, error.code
    return "decoded"


@given(_DOCUMENTS)
def test_every_document_is_read_as_it_was_written(document: Any) -> None:
    assert decode_json(json.dumps(document).encode(), object) == document


@given(_DOCUMENTS, _DOCUMENTS)
def test_two_documents_are_never_one(first: Any, second: Any) -> None:
    with pytest.raises(ApiError) as caught:
        decode_json((json.dumps(first) + " " + json.dumps(second)).encode(), object)
    assert caught.value.status == 400


@given(st.text(st.characters(codec="utf-8")), _DOCUMENTS)
def test_a_field_given_twice_is_refused_however_it_is_spelled_and_deep(name: str, value: Any) -> None:
    escaped = "".join(
        f"\\u{ord(character):04x}" if ord(character) < 0x10000 else character for character in name
    )
    inner = f'{{{json.dumps(name)}:{json.dumps(value)},"{escaped}":1}}'
    with pytest.raises(ApiError, match="twice"):
        decode_json(f'[{{"a":{inner}}}]'.encode(), object)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_document_or_a_client_error(body: bytes) -> None:
    assert _outcome(lambda: decode_json(body, object)) in {"decoded", (400, "invalid_request")}


class Fields(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    number: int


@given(st.text(st.characters(codec="utf-8")), st.integers(-(2**63), 2**63 - 1))
def test_every_query_is_read_as_it_was_written(text: str, number: int) -> None:
    query = urlencode({"text": text, "number": number}).encode()
    assert decode_query(query, Fields) == Fields(text, number)


@given(st.binary(max_size=100))
def test_arbitrary_queries_are_fields_or_a_client_error(query: bytes) -> None:
    assert _outcome(lambda: decode_query(query, Fields)) in {"decoded", (400, "invalid_request")}
