"""`api/openapi.yaml`, from the operations and their documents. For developers, at no boot; needs PyYAML.

`python -m lobby.openapi` prints it.
"""

from typing import Final

import msgspec
from msgspec import Struct
from servicekit import openapi
from servicekit.http import JSON
from servicekit.openapi import Publication, Schema

from lobby import commands, operations
from lobby.wire import Game

_IDS: Final = (
    "game_id", "application_id", "invite_id", "user_id", "message_type", operations.USER_HEADER,
)  # fmt: skip


def _publish_commands(schema: Schema) -> None:
    """What the one path of all commands takes and answers."""
    kinds = [command.document for command in commands.COMMANDS.values()]
    _, documents = msgspec.json.schema_components(kinds, ref_template=openapi.REFERENCE)
    schemas = schema["components"]["schemas"]
    schemas |= documents
    schema["components"]["schemas"] = dict(sorted(schemas.items()))
    schema["x-commands"] = {
        name: {"operation": command.public.id, "document": _reference(command.document)}
        for name, command in commands.COMMANDS.items()
    }
    execute = schema["paths"][commands.EXECUTE.path]["post"]
    execute["requestBody"]["content"][commands.MEDIA_TYPE]["schema"] = {
        "anyOf": [_reference(kind) for kind in kinds]
    }
    answers: dict[int, dict[str, type[Struct]]] = {}
    for command in commands.COMMANDS.values():
        if command.public.response is not None:
            kind = command.public.response
            answers.setdefault(command.public.status, {})[kind.__name__] = kind
    for status, found in answers.items():
        execute["responses"][str(status)] = {
            "description": "As the operation that the command stands for",
            "content": {JSON: {"schema": {"anyOf": [_reference(found[name]) for name in sorted(found)]}}},
        }


def _reference(kind: type[Struct]) -> dict[str, str]:
    return {"$ref": openapi.REFERENCE.format(name=kind.__name__)}


PUBLISHED: Final = Publication(
    module=__spec__,
    title="lobby",
    description=(
        "Games: enrolment, membership, life cycle. The operations of `/api/v1/games` are a user's, who is named by X-User-Id. "
        "Each of them is also a command, by which clients reach it through the gateway: `x-commands` maps each message type "
        "to the operation that it stands for; its document has the fields of that operation's body or query, and one for each "
        "parameter of the path. The operations of `/api/v1/internal/games` are the game master's. Every request body is one "
        "JSON document; unknown fields, a second document, a wrong type or an undocumented query parameter are 400 "
        "`invalid_request`. An unknown path is 404 `not_found`. Times are Unix milliseconds, ids are opaque. A private game "
        "that the caller neither owns nor plays nor is invited to is 404 `game_not_found`. The admin operations are "
        "servicekit's."
    ),
    operations=[*operations.PUBLIC, *operations.INTERNAL, commands.EXECUTE],
    statuses={
        400: "The request is not in the documented form, or a value in it is wrong",
        401: "X-User-Id is missing or no identifier",
        403: "The caller may see this but not do it",
        404: "There is no such thing, or the caller may not know of it",
        409: "The state of things does not allow it, or the name is taken",
        410: "The invite has expired",
        503: "The database does not answer; repeat it later",
    },
    parameters=dict.fromkeys(_IDS, (Game, "game_id")),
    amend=_publish_commands,
)

if __name__ == "__main__":
    PUBLISHED.print()
