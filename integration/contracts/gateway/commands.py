"""A service behind the gateway: what it promises to those who execute commands, and what it is promised."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from seatrial.network.stub import HttpStub, Illegal, Request, Response, route

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]")
_HEADERS: Final = ("x-user-id", "x-device-session-id", "x-request-id", "traceparent")


@dataclass(frozen=True, slots=True)
class Command:
    """One command that was executed."""

    message_type: str
    user_id: str
    device_session_id: str
    request_id: str
    trace_id: str
    payload: bytes


class CommandService(HttpStub):
    """Executes every command by answering with its payload. A command that arrives twice is a violation."""

    name = "commands"

    def __init__(self) -> None:
        super().__init__()
        self._executed: list[Command] = []

    @route("POST", "/api/v1/internal/commands/{message_type}")
    def execute(self, request: Request) -> Response:
        """Holds the request to what the gateway promises, and answers 200 with the payload."""
        missing = [name for name in _HEADERS if not request.headers.get(name)]
        if missing:
            raise Illegal(f"a command without {', '.join(missing)}")
        if request.headers.get("content-type") != "application/octet-stream":
            raise Illegal(f"a command as {request.headers.get('content-type')}")
        if not _TRACEPARENT.fullmatch(request.headers["traceparent"]):
            raise Illegal(f"traceparent {request.headers['traceparent']!r} is not W3C Trace Context")
        command = Command(
            message_type=request.parameters["message_type"],
            user_id=request.headers["x-user-id"],
            device_session_id=request.headers["x-device-session-id"],
            request_id=request.headers["x-request-id"],
            trace_id=request.headers["traceparent"].split("-")[1],
            payload=request.body,
        )
        key = (command.device_session_id, command.request_id)
        if key in {(known.device_session_id, known.request_id) for known in self._executed}:
            raise Illegal(
                f"request {command.request_id!r} of session {command.device_session_id!r} came twice"
            )
        self._executed.append(command)
        return Response(200, command.payload, {"Content-Type": "application/octet-stream"})

    @property
    def executed(self) -> Sequence[Command]:
        """Every command so far, in order."""
        with self.lock:
            return tuple(self._executed)
