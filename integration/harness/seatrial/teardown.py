"""Teardown: everything is attempted, every error is collected, and all of them are raised once, last."""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from seatrial.errors import SeatrialError

T = TypeVar("T")


class TeardownErrors(ExceptionGroup[Exception]):
    """All that went wrong while an environment was taken down."""


class Interrupted(SeatrialError):
    """A teardown step was cut short by something that is no ordinary exception, a test's time limit for example."""


class Teardown:
    """Collects errors. An interrupt (Ctrl-C) does not end the teardown either: it is raised again at the end."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.interrupt: BaseException | None = None

    def attempt(self, what: str, action: Callable[[], T]) -> T | None:
        """Do something; what it raises is collected. Answers None then."""
        try:
            return action()
        except (KeyboardInterrupt, SystemExit, GeneratorExit) as interrupt:
            self.interrupt = interrupt
            self.errors.append(Interrupted(f"{what}: interrupted by {type(interrupt).__name__}"))
        except Exception as error:  # noqa: BLE001 - collected, and raised by whoever owns the teardown
            # The frame of this method says nothing to whoever wrote the check
            self.errors.append(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        except BaseException as outcome:  # noqa: BLE001 - a test library's outcome, raised from a signal handler
            self.errors.append(Interrupted(f"{what}: cut short: {outcome}"))
        return None

    def add(self, errors: Iterable[Exception] | None) -> None:
        """Collect what a check answered."""
        self.errors.extend(errors or ())

    def group(self, name: str) -> TeardownErrors | None:
        """All errors as one, None when there are none."""
        if not self.errors:
            return None
        number = len(self.errors)
        return TeardownErrors(f"{number} problem{'s' * (number > 1)} at the end of {name}", self.errors)

    def raise_all(self, name: str, *, check: bool = True) -> None:
        """Raise an interrupt that was held back, else (unless `check` is false) all errors as one group."""
        if self.interrupt is not None:
            raise self.interrupt
        if check and (group := self.group(name)) is not None:
            raise group


def remove_tree(directory: Path) -> None:
    """Remove a directory, whatever permissions a program left in it; raises `OSError`."""

    def make_writable(function: Callable[[str], object], path: str, _: object) -> None:
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        function(path)

    shutil.rmtree(directory, onerror=make_writable)


def stop_order(texts: Mapping[str, str], addresses: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """In which order to stop processes: layers, each of which may be stopped at once.

    `texts` holds what each process was told at its start (arguments and environment), in the order of start, and
    `addresses` where each one listens. A process that was told another one's address uses it, so it is stopped
    first. Where that goes round in a circle the one started last is stopped first.
    """
    left = list(texts)
    layers = []
    while left:
        layer = [
            name
            for name in reversed(left)
            if not any(_mentions(texts[other], addresses.get(name, ())) for other in left if other != name)
        ]
        if not layer:
            layer = [left[-1]]
        layers.append(layer)
        left = [name for name in left if name not in layer]
    return layers


def _mentions(text: str, addresses: Sequence[str]) -> bool:
    return any(_contains(text, address) for address in addresses)


def _contains(text: str, address: str) -> bool:
    """Whether an address occurs in a text, and not merely as the beginning of one with a longer port."""
    start = text.find(address)
    while start >= 0:
        end = start + len(address)
        if not text[end : end + 1].isdigit() and not text[start - 1 : start].isdigit():
            return True
        start = text.find(address, start + 1)
    return False
