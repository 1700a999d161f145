"""Entries of the streams that lobby reads, as documents."""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from servicekit.streams import Entry, Reject

T = TypeVar("T")

TimeMs = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,15}(?!\n)$")]


def fields(entry: Entry, kind: type[T]) -> T:
    """Give an entry's fields as a document of strings. Raises Reject saying which field is wrong, never its value."""
    texts: dict[str, str] = {}
    for name, value in entry.fields.items():
        try:
            text = value.decode()
        except UnicodeDecodeError:
            raise Reject(f"{name}: is not UTF-8 text") from None
        if "\0" in text:
            raise Reject(f"{name}: contains a zero character")
        texts[name] = text
    try:
        return msgspec.convert(texts, kind)
    except msgspec.ValidationError as problem:
        raise Reject(str(problem)) from None
