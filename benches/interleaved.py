"""Several subjects take turns, so that what happens to the machine meanwhile happens to all of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

Mode = Literal["cold", "warm"]
MODES: Final[tuple[Mode, ...]] = ("cold", "warm")
"""The ways in which the harness boots a service."""


def interleaved(rounds: Iterable[int], subjects: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """One sample of each subject in every round; each is first as often as the others.

    A subject that leaves something behind (a warm cache, a busy core) must not always hit the same neighbour.
    """
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for index in rounds:
        shift = index % len(subjects)
        names = list(subjects)
        for name in names[shift:] + names[:shift]:
            samples[name].append(subjects[name]())
    return samples
