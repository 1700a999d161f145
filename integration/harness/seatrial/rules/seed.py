"""Chance that can be repeated: one seed for a run, and from it one generator for each test."""

import random
import secrets

SEED_BITS = 32


def new_seed() -> int:
    """A fresh seed."""
    return secrets.randbits(SEED_BITS)


def generator(seed: int, nodeid: str) -> random.Random:
    """The generator of a test: the same for the same seed and node id, in any order and process."""
    return random.Random(f"{seed}:{nodeid}")  # noqa: S311 - chance that must be repeatable
