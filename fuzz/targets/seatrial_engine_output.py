"""Target: the output of a container's program, both streams of it in one (Engine API, "Stream format")."""

import io

from seatrial.containers.streams import pieces


def check(data: bytes) -> bool:
    """What comes out is what went in without the headers, in its order; a piece that is cut off is given as far as it came."""
    found = list(pieces(io.BytesIO(data).read))
    at = 0
    for piece in found:
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        assert piece == data[at + 8 : at + 8 + length]
        at += 8 + length
    assert len(data) - at < 8
    return bool(found) and at == len(data)
