"""Progress: what tells a person that something takes time, in a test run too, where pytest captures what is written."""

import contextlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"seatrial: {line}\n")
    sys.stderr.flush()


class Progress:
    """Where lines for whoever waits go: to standard error, around every capture."""

    def __init__(self) -> None:
        self.report: Callable[[str], None] = _to_stderr
        self.uncaptured: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
        """Lets lines through while it is entered; the plugin sets it to what suspends pytest's capture."""

    def say(self, line: str) -> None:
        """Report a line."""
        with self.uncaptured():
            self.report(line)


progress: Final = Progress()
