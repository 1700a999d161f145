"""lobby's operations as commands that a device sends through the gateway, each answer held to lobby's contract."""

import functools
import json
from collections.abc import Mapping
from typing import Any, Final

from contracts.coverage import Cell, exercised
from contracts.errors import ContractError
from contracts.gateway.device import Device
from contracts.http import Answer, Request
from contracts.lobby.client import contract
from contracts.lobby.player import Player

CONTRACT: Final = "lobby commands"
_NOT_BEHIND_THE_GATEWAY: Final = ("401 ", "405 ", "415 ", "503 ")
"""A command's user, method and media type are the gateway's doing, and it answers for a lobby that cannot."""


@functools.cache
def message_types() -> Mapping[str, str]:
    """The message type of each operation that is a command."""
    commands = contract().extension("x-commands")
    return {spec["operation"]: message_type for message_type, spec in commands.items()}


def cells() -> frozenset[Cell]:
    """Every documented outcome of every command that can be seen behind the gateway."""
    return frozenset(
        Cell(CONTRACT, message_type, outcome)
        for operation_id, message_type in message_types().items()
        for outcome in contract().operation(operation_id).outcomes
        if not outcome.startswith(_NOT_BEHIND_THE_GATEWAY)
    )


def player(device: Device, user_id: str) -> Player:
    """The user of a device, all of whose operations go through the gateway."""

    def perform(operation: str, path: Mapping[str, str], query: Mapping[str, Any], document: Any) -> Answer:
        return execute(device, operation, {**path, **query, **(document or {})})

    return Player(user_id, perform)


def execute(device: Device, operation_id: str, document: Any) -> Answer:
    """Sends one command; raises Rejected when the gateway refuses it, ContractError for an undocumented answer."""
    message_type = message_types()[operation_id]
    operation = contract().operation(operation_id)
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    response = device.execute(message_type, body)
    answer = Answer(
        response.status_code,
        (("Content-Type", "application/json"),),
        response.payload_bytes,
        0.0,
        Request("POST", f"/{message_type}", body=body),
    )
    outcome = operation.check_response(answer)
    if outcome.startswith(_NOT_BEHIND_THE_GATEWAY):
        raise ContractError(f"{message_type}: {answer.story} should not happen behind the gateway")
    exercised(Cell(CONTRACT, message_type, outcome))
    return answer
