"""What is wrong with a stub on purpose: one fault, which requests it strikes, and how often."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from seatrial.network.exchange import Response

FaultKind = Literal["delayed", "failing", "answering", "dropping", "truncating"]


@dataclass(slots=True, eq=False)
class StubFault:
    """One fault; `left` is how many requests it still strikes, None means all until it is over."""

    kind: FaultKind
    path: str | None
    left: int | None
    seconds: float = 0.0
    response: Response | None = None
    handled: bool = False
    size: int = 0

    def take(self, paths: Collection[str]) -> bool:
        """Whether it strikes a request, known by its path and its route's path."""
        if self.left == 0 or (self.path is not None and self.path not in paths):
            return False
        if self.left is not None:
            self.left -= 1
        return True
