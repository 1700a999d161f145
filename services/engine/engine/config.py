"""What can be configured: GAME_STATE_PATH, and the environment variables with the prefix ENGINE_."""

from dataclasses import dataclass
from typing import Final

from servicekit.config import ServiceConfig, optional, variable
from servicekit.parsers import integer, size, text

PREFIX: Final = "ENGINE"
MAX_SEED: Final = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly (RFC 8259, section 6)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(ServiceConfig):
    """The engine's variables."""

    state_path: str = variable(
        text(pattern=r"/[^\x00]*"),
        name="GAME_STATE_PATH",
        help="Directory of the game's state, an absolute path; made if it is missing",
    )
    seed: int | None = optional(
        integer(0, MAX_SEED), help="Seed of a new game's map and battles; random when absent"
    )
    body_limit_bytes: int = variable(
        size(minimum=1),
        default="64KiB",
        unit="bytes",
        help="Largest request body; more is 413 request_too_large",
    )
