"""How an operation on a runtime fails: one exception, with one of the published codes."""

from collections.abc import Mapping
from typing import Final

from servicekit.errors import ApiError

#: Every code of a failed operation, with its HTTP status.
STATUSES: Final[Mapping[str, int]] = {
    "invalid_request": 400,
    "start_config_invalid": 400,
    "image_ref_not_semver": 400,
    "not_found": 404,
    "conflict": 409,
    "semver_patch_only": 409,
    "image_pull_failed": 502,
    "container_start_failed": 502,
    "service_unavailable": 503,
    "docker_unavailable": 503,
    "internal_error": 500,
}

#: The code of a success that changed nothing: what was asked for was so already.
REPLAY_NO_OP: Final = "replay_no_op"

MESSAGE_LENGTH: Final = 500


class OperationFailed(Exception):
    """An operation ends without success. ``code`` is published, ``message`` is for people: what, why, and what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 3]}..."

    def answer(self) -> ApiError:
        """Give it as an HTTP answer."""
        return ApiError(STATUSES[self.code], self.code, self.message)
