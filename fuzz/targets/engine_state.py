"""Target: the file of a game's state, as a disk may give it back."""

import atexit
import hashlib
import tempfile
from pathlib import Path

import msgspec
from engine.store import FILE, StateCorrupt, Store

FOLDER = tempfile.TemporaryDirectory(prefix="seatrial-fuzz-state-")
atexit.register(FOLDER.cleanup)
STATE = Path(FOLDER.name)
STORE = Store(STATE)


def check(data: bytes) -> bool:
    """A file is corrupt, or a game that is written as it is read. An input may be a game alone: then its checksum is right."""
    content = data if data.startswith(b'{"format') else sealed(data)
    (STATE / FILE).write_bytes(content)
    try:
        game = STORE.read()
    except StateCorrupt as error:
        assert FILE in str(error)
        return False
    assert game is not None
    assert msgspec.json.decode(msgspec.json.encode(game), type=type(game)) == game
    return True


def sealed(game: bytes) -> bytes:
    """A file around the bytes of a game, with their checksum."""
    return b'{"format":1,"sha256":"%b","game":%b}' % (hashlib.sha256(game).hexdigest().encode(), game)
