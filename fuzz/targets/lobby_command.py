"""Target: the documents of lobby's commands, as the gateway passes them on."""

from lobby.commands import COMMANDS, path_names
from servicekit.body import decode_json

from targets import bodies
from targets.inputs import chosen


def check(data: bytes) -> bool:
    """Read an input: the message type on the first line, then the document, which splits into the operation's parts."""
    message_type, content = chosen(data)
    command = COMMANDS.get(message_type)
    if command is None or not bodies.check_body(command.document, content):
        return False
    ids, document = command.parts(decode_json(content, command.document))
    assert list(ids) == path_names(command.public)
    kind = command.public.request or command.public.query
    assert isinstance(document, kind) if kind is not None else document is None
    return True
