"""`api/openapi.yaml`, from the operations and their documents. For developers, at no boot; needs PyYAML.

`python -m rtmanager.openapi` prints it.
"""

from typing import Final

from servicekit.openapi import Publication

from rtmanager.operations import OPERATIONS
from rtmanager.wire import Runtime

PUBLISHED: Final = Publication(
    module=__spec__,
    title="rtmanager",
    description=(
        "Runs the engines of games in Docker containers. For services and operators of the inner network. Every request "
        "body is one JSON document; unknown fields, a second document, a wrong type, an undocumented query parameter or another "
        "`X-Caller` than gm and admin are 400 `invalid_request`. An unknown path is 404 `not_found`. Times are Unix "
        "milliseconds. The admin operations are servicekit's."
    ),
    operations=OPERATIONS,
    statuses={
        400: "The request is not in the documented form, or a value in it is wrong",
        404: "There is no runtime of that game",
        409: "The runtime is in another state, or another operation runs on it",
        502: "Docker could not get the image, or the engine did not start",
        503: "Docker or a store does not answer; repeat it later",
    },
    parameters={
        "game_id": (Runtime, "game_id"),
        "X-Caller": {"type": "string", "enum": ["gm", "admin"], "default": "admin"},
    },
)

if __name__ == "__main__":
    PUBLISHED.print()
