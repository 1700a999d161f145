"""Order: in which order a run's tests are run.

In random order the modules, the classes in each, and the tests in each of those are shuffled by the run's seed: a test that
relies on what another one left is found, and what a module or a class shares is still made once.

The place of a test follows from the seed and its own name alone. A run of a part of the tests keeps their order, so a failure
that needs a certain neighbour stays while others are left out, in search of it.
"""

import hashlib
from enum import StrEnum


class Order(StrEnum):
    """An order of tests."""

    DEFINED = "defined"
    """As they stand in their files."""
    RANDOM = "random"
    """By the seed of the run."""


def place(seed: int, nodeid: str) -> tuple[bytes, ...]:
    """The sort key of a test in random order: one digest for its module, for each class around it, and for itself."""
    parts = nodeid.partition("[")[0].split("::")
    names = ["::".join(parts[:length]) for length in range(1, len(parts))]
    return tuple(_digest(seed, name) for name in (*names, nodeid))


def _digest(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
