"""`api/openapi.yaml`, from the operations and their documents. For developers, at no boot; needs PyYAML.

`python -m notification.openapi` prints it.
"""

from typing import Final

import msgspec
from servicekit.openapi import Publication

from notification.operations import OPERATIONS
from notification.wire import DeadLetter, IdempotencyKey

PUBLISHED: Final = Publication(
    module=__spec__,
    title="notification",
    description=(
        "What became of notifications, and what to do about those that were given up. For services and operators, in the inner "
        "network. Intents come over the stream notification:intents, see streams.schema.json. Every request body is one JSON "
        "document; unknown fields, a second document, a wrong type or an undocumented query parameter are 400 "
        "`invalid_request`. An unknown path is 404 `not_found`. Times are Unix milliseconds, ids are opaque. The admin "
        "operations are servicekit's."
    ),
    operations=OPERATIONS,
    statuses={
        404: "There is no such thing",
        409: "It was resolved in the other way before",
        503: "The database does not answer; repeat it later",
    },
    parameters={
        "idempotency_key": msgspec.json.schema(IdempotencyKey),
        "dead_letter_id": (DeadLetter, "dead_letter_id"),
    },
)

if __name__ == "__main__":
    PUBLISHED.print()
