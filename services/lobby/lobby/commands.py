"""Commands of the gateway: each public operation again, as one message type with one JSON document.

The document of a command has the fields of its operation's body or query, and a field for each parameter of its path.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from servicekit.http import Operation

from lobby import operations, wire
from lobby.refusals import STATUS, by_status

PREFIX: Final = "lobby."
PATH: Final = "/api/v1/internal/commands/"
MEDIA_TYPE: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Command:
    """A message type, the public operation that it stands for, and its document."""

    message_type: str
    public: Operation
    document: type[msgspec.Struct]

    def parts(self, document: msgspec.Struct) -> tuple[dict[str, str], Any]:
        """Split a command's document into the path's parameters, and the body or query (None where there is none)."""
        names = path_names(self.public)
        kind = self.public.request or self.public.query
        rest = {name: getattr(document, name) for name in kind.__struct_fields__} if kind else {}
        return {name: getattr(document, name) for name in names}, kind(**rest) if kind else None


def path_names(operation: Operation) -> list[str]:
    """Give the parameters of an operation's path, in their order."""
    return re.findall(r"\{([a-z_]+)\}", operation.path)


def message_type(operation: Operation) -> str:
    """Give the message type of a public operation: `createGame` is `lobby.create_game`."""
    return PREFIX + re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", operation.id)


def _command(public: Operation) -> Command:
    name = message_type(public)
    kind = public.request or public.query
    fields: list[Any] = [(parameter, wire.OpaqueId) for parameter in path_names(public)]
    fields += [
        (field.name, field.type) if field.required else (field.name, field.type, field.default)
        for field in (msgspec.structs.fields(kind) if kind else ())
    ]
    document = msgspec.defstruct(
        f"{public.id[0].upper()}{public.id[1:]}Command",
        fields,
        bases=(wire.Document,),
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
    )
    return Command(name, public, document)


COMMANDS: Final[Mapping[str, Command]] = {
    command.message_type: command for command in map(_command, operations.PUBLIC)
}
"""Every command by its message type; lobby knows no other."""

EXECUTE: Final = Operation(
    id="executeCommand",
    method="POST",
    path=f"{PATH}{{message_type}}",
    summary="Executes a command of a user: the public operation that the message type stands for, in one JSON document.",
    description=(
        "`x-commands` lists the message types; another one is 404 unknown_command. Answers, and errors, are those of the "
        "operation. A parameter of the path that is no identifier is 400 invalid_request here."
    ),
    request_media_type=MEDIA_TYPE,
    request_headers={operations.USER_HEADER: operations.USER_HEADER_TEXT},
    errors=by_status(
        [
            "unknown_command",
            *(
                code
                for code, status in STATUS.items()
                if code != "unknown_command"
                and any(code in operation.errors.get(status, ()) for operation in operations.PUBLIC)
            ),
        ]
    ),
)
