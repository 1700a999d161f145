"""Chance that is the same on every machine and in every version of Python: what a seed gave once, it gives for ever."""

import hashlib
from collections.abc import MutableSequence
from typing import Any, Final

_MASK: Final = 2**64 - 1


class Chance:
    """SplitMix64 (Steele, Lea and Flood, 2014), started from a hash of words.

    The standard library's `random` promises the same sequence only for `random()`, and costs import time at boot.
    """

    def __init__(self, *words: object) -> None:
        text = "\x00".join(map(str, words))
        self._state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1; `limit` is far below 2**64, so the bias of the remainder is none that counts."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ (mixed >> 31)) % limit

    def between(self, least: int, most: int) -> int:
        """A whole number from `least` to `most`, both included."""
        return least + self.below(most - least + 1)

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Put the items into another order (Fisher and Yates)."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
