"""What the coordinator and a version's driver say to each other: one JSON object a line, over pipes.

The coordinator asks (`ask`: a verb, with its arguments), the driver answers each question once: with `ok` and what was asked
for, or with `error`. Before its answer it may say any number of `progress` lines.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LONGEST_LINE: Final = 1 << 20


class ProtocolError(Exception):
    """A line that is none of this protocol."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One sample: its value in the metric's unit, and what was seen with it."""

    value: float
    also: Mapping[str, float] = field(default_factory=dict)
    at: float = 0.0
    """When it was complete, in seconds of the monotonic clock that all processes of a machine share."""

    def plain(self) -> dict[str, Any]:
        """As it goes over the pipe."""
        return {"value": self.value, "also": dict(self.also), "at": self.at}


def encode(message: Mapping[str, Any]) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of a line. Raises ProtocolError."""
    try:
        message = json.loads(line)
    except ValueError:
        raise ProtocolError(f"no JSON: {line[:200]!r}") from None
    if not isinstance(message, dict):
        raise ProtocolError(f"no object: {line[:200]!r}")
    return message


def readings(answer: Mapping[str, Any], count: int) -> list[Reading]:
    """The samples of an answer. Raises ProtocolError unless there are `count`, each a positive number."""
    try:
        found = [
            Reading(float(each["value"]), each["also"], float(each["at"])) for each in answer["readings"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"no readings: {error!r} in {str(answer)[:200]}") from None
    if len(found) != count or any(each.value <= 0 for each in found):
        raise ProtocolError(f"expected {count} positive samples, got {[each.value for each in found]}")
    return found
