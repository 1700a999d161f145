"""`api/openapi.yaml`, from the operations and their documents. For developers, at no boot; needs PyYAML.

`python -m authsession.openapi` prints it.
"""

from typing import Final

from servicekit.openapi import Publication, Schema

from authsession.operations import OPERATIONS
from authsession.wire import Session


def _one_of_two(schema: Schema) -> None:
    """Publish the rule that a struct cannot say: `handlers` holds it."""
    block = schema["components"]["schemas"]["UserBlockRequest"]
    block["oneOf"] = [{"required": ["user_id"]}, {"required": ["email"]}]


PUBLISHED: Final = Publication(
    module=__spec__,
    title="authsession",
    description=(
        "Sign-in by e-mail code, and device sessions. The public operations are reached through the gateway; the internal ones "
        "are for services. Every request body is one JSON document; unknown fields, a second document, a wrong type or an "
        "undocumented query parameter are 400 `invalid_request`. An unknown path is 404 `not_found`. Times are Unix "
        "milliseconds, ids are opaque. The admin operations are servicekit's."
    ),
    operations=OPERATIONS,
    statuses={
        400: "The request is not in the documented form, or a value in it is wrong",
        403: "The address or the user is blocked",
        404: "There is no such thing",
        409: "The user has as many active sessions as allowed",
        410: "The code has expired",
        429: "The challenge has no try left",
        503: "Something that this operation needs does not answer; repeat it later",
    },
    parameters={"device_session_id": (Session, "device_session_id"), "user_id": (Session, "user_id")},
    amend=_one_of_two,
)

if __name__ == "__main__":
    PUBLISHED.print()
