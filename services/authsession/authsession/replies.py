"""What Redis answered, as text."""

from collections.abc import Sequence


def texts(reply: object) -> list[str]:
    """A reply that is a list of strings. Raises TypeError for any other."""
    if not isinstance(reply, Sequence) or isinstance(reply, str | bytes):
        raise TypeError(f"expected a list from Redis, got {type(reply).__name__}")
    return [_text(item) for item in reply]


def fields(reply: object) -> dict[str, str]:
    """The fields of a hash, from a flat list of names and values."""
    flat = texts(reply)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def number(reply: object) -> int:
    """A reply that is an integer. Raises TypeError for any other."""
    if not isinstance(reply, int):
        raise TypeError(f"expected an integer from Redis, got {type(reply).__name__}")
    return reply


def _text(item: object) -> str:
    if not isinstance(item, bytes):
        raise TypeError(f"expected a string from Redis, got {type(item).__name__}")
    return item.decode()
