"""How an input of several parts is written, so that a person can read and write it, and any byte can stand in it."""

from urllib.parse import unquote_to_bytes


def fields(data: bytes) -> dict[str, bytes]:
    """`name=value`, one a line, with `%0A` for a byte that cannot stand there: the fields of an entry of a stream."""
    found: dict[str, bytes] = {}
    for line in data.split(b"\n"):
        name, _, value = line.partition(b"=")
        if name:
            found[unquote_to_bytes(name).decode(errors="backslashreplace")] = unquote_to_bytes(value)
    return found


def chosen(data: bytes) -> tuple[str, bytes]:
    """The first line, which chooses what is parsed, and the rest, which is."""
    line, _, rest = data.partition(b"\n")
    return line.decode("latin-1"), rest


def text(data: bytes) -> str | None:
    """The text of an input; None for bytes that are not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
