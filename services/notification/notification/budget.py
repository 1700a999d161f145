"""How often a route is attempted, and with what pauses."""

import random
from dataclasses import dataclass

from servicekit.logs import scrub

from notification.routes import Change, Claimed, Delivered, Failed, Postponed, Result, Suppressed

_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One channel's: attempts in all, the first pause and the longest one in milliseconds."""

    max_attempts: int
    first_ms: int
    most_ms: int

    def pause_ms(self, attempts: int) -> int:
        """The pause after so many attempts: doubles from the first to the longest, less up to half of it by chance (jitter)."""
        # Bounded before it is computed: 2 to the power of a large budget is a number that nobody needs.
        whole = min(self.first_ms << min(attempts - 1, 62), self.most_ms)
        return round(whole * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, protects nothing

    def judge(self, route: Claimed, result: Result) -> Change:
        """What a route becomes by what came of an attempt."""
        match result:
            case Delivered(locale, masked):
                return Change(route=route, state="delivered", locale=locale, masked=masked)
            case Suppressed(error_code):
                return Change(route=route, state="suppressed", error_code=error_code)
            case Postponed(message):
                return Change(
                    route=route,
                    state="pending",
                    error_code="redis_unavailable",
                    error_message=_bounded(message),
                    counted=False,
                )
            case Failed(error_code, message, permanent):
                dead = permanent or route.attempts >= self.max_attempts
                return Change(
                    route=route,
                    state="dead" if dead else "pending",
                    error_code=error_code,
                    error_message=_bounded(message),
                    delay_ms=0 if dead else self.pause_ms(route.attempts),
                )


def _bounded(message: str) -> str:
    # Cut first: looking for addresses takes time that grows with the square of a text's length.
    return scrub(message[: 2 * _MESSAGE_CHARACTERS])[:_MESSAGE_CHARACTERS]
