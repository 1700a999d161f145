"""What every service is fuzzed with: a seed of the run's own, and the record of what was called."""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from contracts.platform.suite import image
from machine import Record

__all__ = ["image"]


@pytest.fixture
def seed(rng: Random) -> int:
    """What the calls come from; the run's seed repeats it."""
    return rng.getrandbits(32)


@pytest.fixture
def record() -> Iterator[Record]:
    """Which operation was answered how often with which status; printed, so that a failure shows how far it came."""
    counted = Record(Counter())
    yield counted
    print(counted)  # noqa: T201  pytest shows it for a test that failed
