"""`api/openapi.yaml`, made of the operations that are served. For developers, at no boot; needs PyYAML.

`python -m gateway.openapi` prints it.
"""

from typing import Final

from servicekit.openapi import Publication, Schema

from gateway.public_api import OPERATIONS


def _when_to_repeat(schema: Schema) -> None:
    """Publish the header of each answer that says that a limit is used up."""
    for path in schema["paths"].values():
        for operation in path.values():
            limited = operation["responses"]["429"]
            limited["headers"] = {
                "Retry-After": {
                    "description": "Whole seconds, rounded up, after which a repetition can succeed",
                    "required": limited["x-error-codes"] == ["rate_limited"],
                    "schema": {"type": "string", "pattern": "^[1-9][0-9]*$"},
                }
            }


PUBLISHED: Final = Publication(
    module=__spec__,
    title="Game platform gateway, public HTTP",
    description=(
        "Sign-in for clients that have no session yet, and the keys that sign the gateway's gRPC answers and events. Every "
        "request body is one JSON document of at most 16 KiB; unknown fields, a second document, a wrong type or a query "
        "parameter are 400 `invalid_request`. An unknown path is 404 `not_found`. Limits are per class of operation and "
        "client address (IPv6 by its /64), per e-mail address and per challenge. The admin operations are servicekit's."
    ),
    operations=OPERATIONS,
    statuses={
        400: "The request is not in the documented form, or a value in it is wrong",
        403: "The user or the address is blocked",
        404: "There is no such challenge, or it was confirmed with another key",
        409: "The user has as many sessions as allowed",
        410: "The code has expired",
        429: "A limit is used up: the gateway's (`rate_limited`, with `Retry-After`), or the challenge's tries",
        503: "Sign-in is not configured or not reachable, or the store of limits is not",
        504: "Sign-in did not answer in time",
    },
    amend=_when_to_repeat,
)

if __name__ == "__main__":
    PUBLISHED.print()
