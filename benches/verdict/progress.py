"""How far a long comparison is, for a person: one line that changes on a terminal, one for each epoch elsewhere."""

import time
from typing import TextIO


class Progress:
    """Lines of one program on one stream."""

    def __init__(self, out: TextIO, *, live: bool | None = None) -> None:
        self._out = out
        self._live = out.isatty() if live is None else live
        self._width = 0
        self._epochs = 0
        self._begun = 0.0
        self._last_epoch = -1

    def say(self, line: str) -> None:
        """A line that stays."""
        self._clear()
        self._out.write(f"{line}\n")
        self._out.flush()

    def begin(self, epochs: int) -> None:
        """A comparison of so many epochs begins."""
        self._epochs, self._begun, self._last_epoch = epochs, time.monotonic(), -1

    def step(self, epoch: int, what: str) -> None:
        """The comparison is in an epoch, counted from 0, at something."""
        spent = time.monotonic() - self._begun
        left = f", about {_duration(spent / epoch * (self._epochs - epoch))} left" if epoch else ""
        line = f"epoch {epoch + 1} of {self._epochs}, {_duration(spent)} so far{left}"
        if self._live:
            self._clear()
            line = f"{line}: {what}"[:110]
            self._out.write(line)
            self._out.flush()
            self._width = len(line)
        elif epoch != self._last_epoch:
            self.say(line)
        self._last_epoch = epoch

    def _clear(self) -> None:
        if self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._width = 0


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
