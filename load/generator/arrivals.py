"""An open workload: actions fall due at times that nobody's answers can shift.

Arrivals are a Poisson process of the step's rate, and wait in a queue until a player is free. Response times count from
when an action was due. A player who waits for a slow answer therefore delays no arrival: it only makes the next one late,
and that lateness is measured. A closed loop ("send, wait, think, send") would send less the slower the answers come,
and its percentiles would leave out exactly the calls that a slow service made late: coordinated omission.

B. Schroeder, A. Wierman, M. Harchol-Balter: Open Versus Closed: A Cautionary Tale. NSDI 2006.
G. Tene: How NOT to Measure Latency. 2013; the same correction is in wrk2.
"""

import random
import time
from collections.abc import Callable

import gevent
from gevent.queue import Empty, Queue

from generator.recorder import Window


class Arrivals:
    """When the players of one worker shall act."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: Queue[float] = Queue()

    def next(self) -> float:
        """Waits for an arrival that no player has taken yet; when it was due, in seconds of the clock."""
        return self._due.get()

    def offer(self, rate: float, window: Window, seed: int) -> None:
        """Has actions fall due, `rate` a second, from now to the end of `window`; returns then.

        How late it was itself goes into the window: that is the generator's fault, not the service's.
        """
        chance = random.Random(seed)  # noqa: S311  (arrival times are no secret)
        due = self._clock() + chance.expovariate(rate)
        while due < window.end:
            if (left := due - self._clock()) > 0:
                gevent.sleep(left)
            window.offered(due, self._clock() - due)
            self._due.put(due)
            due += chance.expovariate(rate)
        if (left := window.end - self._clock()) > 0:
            gevent.sleep(left)

    def withdraw(self) -> list[float]:
        """Takes back what no player has begun; when each was due."""
        left = []
        while True:
            try:
                left.append(self._due.get_nowait())
            except Empty:
                return left
