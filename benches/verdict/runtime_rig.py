"""rtmanager and the container engine: how soon a game's engine runs."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from contracts.images import engine_image, engine_tag
from runtimes import Runtimes
from seatrial import Environment
from verdict.memory import settled
from verdict.platform_rig import as_reading, occupied
from verdict.protocol import Reading
from verdict.rig import Measure, Rig, Take, measure, reading

_LOAD_GAMES: Final = 3


class RuntimeRig(Rig):
    """One rtmanager, executed cold, with an image of its own version's engine."""

    name = "runtime"

    def boot(self, environment: Environment, late: ExitStack) -> Mapping[str, Measure]:
        """It, and every metric of it."""
        reference = late.enter_context(engine_tag(engine_image()))
        self._runtimes = Runtimes(environment, reference, boot="cold")
        self._numbers = itertools.count(1)
        return {
            "job_start": self._job,
            "memory_rest_rtmanager": measure(self._at_rest),
            "memory_load_rtmanager": self._under_load,
        }

    def _at_rest(self) -> Reading:
        pid = self._runtimes.process.pid
        return as_reading(settled([pid])[pid])

    @contextmanager
    def _job(self) -> Iterator[Take]:
        def take() -> Reading:
            number = next(self._numbers)
            found = reading(self._runtimes.started(number))
            self._runtimes.stopped(number)
            return found

        yield take

    @contextmanager
    def _under_load(self) -> Iterator[Take]:
        """While it looks after a few games that run."""
        numbers = [next(self._numbers) for _ in range(_LOAD_GAMES)]
        for number in numbers:
            self._runtimes.started(number)
        yield lambda: occupied(self._runtimes.process)
        for number in numbers:
            self._runtimes.stopped(number)
