"""A rig: processes of one version that are booted for an epoch, and the measures that can be taken of them."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

from seatrial import Environment
from verdict.protocol import Reading

Take = Callable[[], Reading]
"""Takes one sample."""
Measure = Callable[[], AbstractContextManager[Take]]
"""Everything that must be there to take samples, made when it is entered and taken down when it is left."""


def reading(value: float, **also: float) -> Reading:
    """A sample that is complete now."""
    return Reading(value, also, time.monotonic())


def timed(action: Callable[[], object]) -> Take:
    """A sample is how many milliseconds an action takes."""

    def take() -> Reading:
        begun = time.monotonic()
        action()
        return reading((time.monotonic() - begun) * 1000)

    return take


def measure(take: Take) -> Measure:
    """A measure that needs nothing besides its rig."""

    @contextmanager
    def ready() -> Iterator[Take]:
        yield take

    return ready


class Rig:
    """Base of every rig: an environment of the harness with stores of its own, whose checks at the end hold here too."""

    name: str = ""

    def __init__(self, artifacts: Path) -> None:
        self._artifacts: Final = artifacts
        self._stack = ExitStack()
        self._prepared: dict[str, tuple[ExitStack, Take]] = {}
        self.measures: Mapping[str, Measure] = {}

    def boot(self, environment: Environment, late: ExitStack) -> Mapping[str, Measure]:
        """Start what the rig is about; what can be measured of it by the metrics' names. `late` ends after the environment."""
        raise NotImplementedError

    def open(self) -> None:
        """Boot it. What the harness or a service raises goes through; nothing is left of it then."""
        with ExitStack() as stack:
            late = stack.enter_context(ExitStack())
            environment = stack.enter_context(Environment.open(self.name, self._artifacts))
            self.measures = self.boot(environment, late)
            self._stack = stack.pop_all()

    def prepare(self, metric: str, warm_up: int) -> None:
        """Make ready for samples of a metric; the first ones are taken and thrown away."""
        with ExitStack() as stack:
            take = stack.enter_context(self.measures[metric]())
            for _ in range(warm_up):
                take()
            self._prepared[metric] = stack.pop_all(), take

    def sample(self, metric: str, count: int) -> list[Reading]:
        """Take samples, one after the other."""
        _, take = self._prepared[metric]
        return [take() for _ in range(count)]

    def finish(self, metric: str) -> None:
        """Take down what `prepare` made."""
        stack, _ = self._prepared.pop(metric)
        stack.close()

    def close(self) -> None:
        """Take everything down. Raises what the harness found: a warning in a log, a process that was killed, a leak."""
        stack, self._stack = self._stack, ExitStack()
        with stack:
            for metric in list(self._prepared):
                self.finish(metric)
