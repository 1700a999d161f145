"""Futures, waited for so that Ctrl-C always ends the wait."""

from collections.abc import Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Final, TypeVar

NOTICED_WITHIN: Final = 0.25
"""Seconds after which a signal that came at the wrong moment is handled."""

T = TypeVar("T")


def as_completed(futures: Collection[Future[T]]) -> Iterator[Future[T]]:
    """Each future as soon as it is done, like `concurrent.futures.as_completed`, for a main thread that may wait for long.

    Python runs signal handlers in the main thread, between two of its instructions. A signal that arrives after the last
    of them and before the thread blocks in a lock wakes nobody: its handler, and so KeyboardInterrupt, would wait until the
    lock is free. Therefore this wakes up every `NOTICED_WITHIN` seconds.
    """
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=NOTICED_WITHIN, return_when=FIRST_COMPLETED)
        yield from done
