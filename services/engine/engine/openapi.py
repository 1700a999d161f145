"""`api/openapi.yaml`, from the operations and their documents. For developers, at no boot; needs PyYAML.

`python -m engine.openapi` prints it.
"""

from typing import Final

from servicekit.openapi import Publication

from engine import races
from engine.operations import OPERATIONS

PUBLISHED: Final = Publication(
    module=__spec__,
    title="engine",
    description=(
        "One running game: its master initialises it and plays its turns, its players give orders and read reports. Every "
        "request body is one JSON document; unknown fields, a second document, a wrong type or an undocumented query parameter "
        "are 400 `invalid_request`. An unknown path is 404 `not_found`. The admin listener's operations are servicekit's."
    ),
    operations=OPERATIONS,
    statuses={
        400: "The request is not in the documented form, or the rules forbid it",
        404: "No race of this game has that name",
        409: "The game is in another state",
        503: "The game's state cannot be had",
        507: "The game's state cannot be written; nothing has changed",
    },
    parameters={"race": {"type": "string", "minLength": 1, "maxLength": races.MAX_LENGTH}},
)

if __name__ == "__main__":
    PUBLISHED.print()
