"""Target: the image that a game's owner chooses: a reference with a semantic version as its tag."""

import re

import msgspec
from lobby.wire import CreateGameRequest, ImageRef

from targets.inputs import text

TAG = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?", re.ASCII)


def check(data: bytes) -> bool:
    """What is accepted has a name and a version, both in visible ASCII; it is the same in a body."""
    given = text(data)
    if given is None:
        return False
    try:
        msgspec.convert(given, ImageRef)
    except msgspec.ValidationError:
        return False
    assert all("!" <= character <= "~" for character in given)
    assert len(given) <= 255
    name, _, tag = given.rpartition(":")
    assert name
    assert TAG.fullmatch(tag)
    document = {
        "name": "n", "visibility": "public", "min_players": 2, "max_players": 2, "enrollment_ends_at_ms": 1,
        "image_ref": given,
    }  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(document), type=CreateGameRequest).image_ref == given
    return True
