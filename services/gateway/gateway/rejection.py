"""Why a call is refused: the stable codes of api/grpc_errors.yaml and the exception that carries one."""

from typing import Final

from grpc import StatusCode

STATUS_OF_CODE: Final[dict[str, StatusCode]] = {
    "malformed_envelope": StatusCode.INVALID_ARGUMENT,
    "unsupported_protocol_version": StatusCode.FAILED_PRECONDITION,
    "session_store_unavailable": StatusCode.UNAVAILABLE,
    "unknown_session": StatusCode.UNAUTHENTICATED,
    "session_revoked": StatusCode.UNAUTHENTICATED,
    "payload_hash_mismatch": StatusCode.INVALID_ARGUMENT,
    "invalid_signature": StatusCode.UNAUTHENTICATED,
    "stale_request": StatusCode.FAILED_PRECONDITION,
    "replayed_request": StatusCode.FAILED_PRECONDITION,
    "rate_limited": StatusCode.RESOURCE_EXHAUSTED,
    "unknown_message_type": StatusCode.UNIMPLEMENTED,
    "downstream_unavailable": StatusCode.UNAVAILABLE,
    "downstream_timeout": StatusCode.DEADLINE_EXCEEDED,
    "slow_consumer": StatusCode.RESOURCE_EXHAUSTED,
    "shutting_down": StatusCode.UNAVAILABLE,
}
"""The gRPC status of each code. `internal_error` (INTERNAL) is not here: nothing refuses with it."""


class Rejection(Exception):
    """A call ends with a stable code.

    `message` is for the developer of a client and holds no value that the client sent; `retry_after_s` is set
    for `rate_limited` only: whole seconds, at least 1. `request_id` is that of an envelope which was read but not returned.
    """

    def __init__(
        self, code: str, message: str, *, retry_after_s: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = STATUS_OF_CODE[code]
        self.retry_after_s = retry_after_s
        self.request_id = request_id
