"""A comparison: both versions are booted, sampled in turns in an order drawn by lot, and taken down, epoch by epoch."""

import functools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from verdict.catalog import Metric, RigName
from verdict.protocol import Reading
from verdict.side import Refused

BASE: Final = "A"
"""What is compared with: the ref's version."""
CHANGED: Final = "B"
"""What is judged: the working tree's."""
SIDES: Final = (BASE, CHANGED)


class Subject(Protocol):
    """What a comparison asks of a version; `Side` does it."""

    def open(self, rig: str) -> None:
        """Boot."""

    def prepare(self, metric: str, warm_up: int) -> None:
        """Make ready."""

    def sample(self, metric: str, count: int) -> list[Reading]:
        """Take samples."""

    def finish(self, metric: str) -> None:
        """No more of a metric."""

    def close(self) -> None:
        """Take down."""


@dataclass(frozen=True, slots=True)
class Block:
    """Samples that were taken one after the other, of one version."""

    metric: str
    side: str
    epoch: int
    pair: int
    order: int
    """The how manieth block of the comparison it is."""
    readings: tuple[Reading, ...]


@dataclass
class Samples:
    """Everything that was measured, and what could not be."""

    blocks: list[Block] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Why a metric has no samples, by its name."""
    problems: list[str] = field(default_factory=list)
    """What the harness found when it took a version down."""

    def epochs(self, metric: str, side: str) -> list[list[float]]:
        """A metric's values of one version, a list for each epoch."""
        found: dict[int, list[float]] = {}
        for block in self.blocks:
            if (block.metric, block.side) == (metric, side):
                found.setdefault(block.epoch, []).extend(reading.value for reading in block.readings)
        return [found[epoch] for epoch in sorted(found)]

    def readings(self, metric: str, side: str) -> list[Reading]:
        """The same in the order in which they were taken."""
        own = [block for block in self.blocks if (block.metric, block.side) == (metric, side)]
        return [reading for block in sorted(own, key=lambda block: block.order) for reading in block.readings]


def run(
    subjects: Mapping[str, Subject],
    metrics: Sequence[Metric],
    *,
    epochs: int,
    rng: random.Random,
    progress: Callable[[int, str], None],
) -> Samples:
    """Take the samples of every metric. `progress` is told the epoch, from 0, and what is measured.

    A metric that a version fails to give is left out from then on, and has no verdict; DriverFailed goes through.
    """
    samples = Samples()
    comparison = _Comparison(subjects, rng, samples)
    for epoch in range(epochs):
        for rig in dict.fromkeys(metric.rig for metric in metrics):
            wanted = [each for each in metrics if each.rig == rig and each.name not in samples.failures]
            if wanted:
                comparison.measure(epoch, rig, wanted, functools.partial(progress, epoch))
    return samples


class _Comparison:
    def __init__(self, subjects: Mapping[str, Subject], rng: random.Random, samples: Samples) -> None:
        self._subjects = subjects
        self._rng = rng
        self._samples = samples
        self._order = 0

    def _shuffled(self) -> Iterator[tuple[str, Subject]]:
        order = list(SIDES)
        self._rng.shuffle(order)
        return ((side, self._subjects[side]) for side in order)

    def measure(
        self, epoch: int, rig: RigName, metrics: Sequence[Metric], progress: Callable[[str], None]
    ) -> None:
        """One epoch of the metrics of one rig."""
        progress(f"{rig}: booting")
        opened = []
        booted = True
        for side, subject in self._shuffled():
            try:
                subject.open(rig)
            except Refused as error:
                self._fail(metrics, f"{side}: it could not be booted: {error}")
                booted = False
                break
            opened.append((side, subject))
        for metric in metrics if booted else ():
            progress(metric.name)
            self._sample(epoch, metric)
        progress(f"{rig}: stopping")
        for side, subject in opened:
            try:
                subject.close()
            except Refused as error:
                self._samples.problems.append(f"{side}, epoch {epoch + 1}, {rig}: {error}")

    def _fail(self, metrics: Sequence[Metric], reason: str) -> None:
        for metric in metrics:
            self._samples.failures[metric.name] = reason
            self._samples.blocks = [block for block in self._samples.blocks if block.metric != metric.name]

    def _sample(self, epoch: int, metric: Metric) -> None:
        size = metric.samples // metric.pairs
        prepared, at = [], BASE
        try:
            for side, subject in self._shuffled():
                at = side
                subject.prepare(metric.name, metric.warm_up)
                prepared.append((side, subject))
            for pair in range(metric.pairs):
                for side, subject in self._shuffled():
                    at = side
                    readings = tuple(subject.sample(metric.name, size))
                    self._samples.blocks.append(Block(metric.name, at, epoch, pair, self._order, readings))
                    self._order += 1
            for side, subject in prepared:
                at = side
                subject.finish(metric.name)
        except Refused as error:
            # What is prepared is taken down with its rig.
            self._fail([metric], f"{at}: {error}")
