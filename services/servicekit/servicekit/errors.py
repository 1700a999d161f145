"""Errors that an HTTP caller sees: a status, a stable code, a message."""

from collections.abc import Mapping

import msgspec


class ErrorDetail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """``code`` is stable and for programs, ``message`` is for people. ``request_id`` is there when a log entry is."""

    code: str
    message: str
    request_id: str | None = None


class ErrorBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


class ApiError(Exception):
    """Raised by a handler to answer with an error. Nothing is logged: the caller is told, not the operator."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def error_body(code: str, message: str, request_id: str | None = None) -> bytes:
    """Encode ``{"error":{"code":...,"message":...}}``."""
    return msgspec.json.encode(ErrorBody(ErrorDetail(code, message, request_id)))
