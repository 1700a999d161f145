"""The one place where the harness waits: for a condition, but never past the death of a child."""

import asyncio
import math
import os
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from seatrial.clock import Deadline
from seatrial.errors import ProcessDied, WaitTimeout, indented, shortened

POLL_INTERVAL: Final = 0.005
_SHORTEST_WAIT: Final = 1e-6

T = TypeVar("T")


class Watch:
    """The children that ended although nobody asked them to, and the people who wait meanwhile.

    The supervisor's thread reports, any other thread waits. All waits share one condition variable, so that a death
    (or any other change of a child's state) wakes all of them at once.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: in a forked child, where another thread may have held the lock for ever."""
        self._changed = threading.Condition()
        self._deaths: dict[object, str] = {}

    def changed(self) -> None:
        """Wake everybody who waits, because the state of a child is another now."""
        with self._changed:
            self._changed.notify_all()

    def report(self, child: object, story: str) -> None:
        """`child` ended and should not have; `story` is what every waiter fails with until it is retracted."""
        with self._changed:
            self._deaths[child] = story
            self._changed.notify_all()

    def retract(self, child: object) -> None:
        """The end of `child` turned out to be expected, or its test is over."""
        with self._changed:
            self._deaths.pop(child, None)

    def check(self, *, besides: object = None) -> None:
        """Raise `ProcessDied` when a child other than `besides` ended although nobody asked it to."""
        with self._changed:
            self._check(besides)

    def _check(self, besides: object) -> None:
        stories = [story for child, story in self._deaths.items() if child is not besides]
        if stories:
            raise ProcessDied("\n".join(stories))

    def pause(self, seconds: float) -> None:
        """Let `seconds` pass, or less when the state of a child changes; raises `ProcessDied` as `check` does."""
        with self._changed:
            self._check(None)
            self._changed.wait(max(seconds, _SHORTEST_WAIT))
            self._check(None)

    def wait_for(self, predicate: Callable[[], bool], deadline: Deadline, *, besides: object = None) -> bool:
        """Wait until `predicate`, which reads the state of children, is true; False at the deadline.

        Raises `ProcessDied` when a child other than `besides` ends meanwhile although nobody asked it to.
        """
        with self._changed:
            while not predicate():
                self._check(besides)
                if deadline.expired:
                    return False
                self._changed.wait(max(deadline.remaining, _SHORTEST_WAIT))
            return True


async def polled(
    condition: Callable[[], object], within: float = math.inf, interval: float = POLL_INTERVAL
) -> bool:
    """For the supervisor's loop: call `condition` every `interval` seconds until it is true; False after `within`."""
    deadline = Deadline(within)
    while not condition():
        if deadline.expired:
            return False
        await pause(interval)
    return True


async def pause(seconds: float) -> None:
    """Let time pass in the supervisor's loop, between two looks at something that cannot call back."""
    await asyncio.sleep(seconds)  # noqa: TID251  (beside `Watch.pause` the only place where time itself is awaited)


WATCH: Final = Watch()
os.register_at_fork(after_in_child=WATCH.reset)


def until(what: str, condition: Callable[[], T], timeout: float = 5.0) -> T:
    """Call `condition` until it returns something true, and return that.

    It is called at once, then every 5 ms. An `AssertionError` means "not yet"; every other exception is the caller's
    (as the cause of `ProcessDied`, when a child is found dead by then).
    Raises `WaitTimeout` after `timeout` seconds, naming `what` and the last value (or failed assertion), and
    `ProcessDied` as soon as a child ends although nobody asked it to.
    """
    deadline = Deadline(timeout)
    while True:
        last_chance = deadline.expired
        try:
            value = condition()
            if value:
                return value
            seen = repr(value)
        except AssertionError as error:
            seen = f"AssertionError: {error}" if str(error) else "a failed assertion without a message"
        except Exception as error:
            # A client's error is often the echo of a death, and the death explains more.
            try:
                WATCH.check()
            except ProcessDied as death:
                raise death from error
            raise
        try:
            if not last_chance:
                WATCH.pause(min(POLL_INTERVAL, deadline.remaining))
                continue
            WATCH.check()
        except ProcessDied as death:
            raise ProcessDied(f"gave up waiting for {what} after {deadline.elapsed:.3f} s: {death}") from None
        raise WaitTimeout(
            f"waited {deadline.elapsed:.3f} s for {what}, in vain. Last seen:\n{indented(shortened(seen))}"
        )
