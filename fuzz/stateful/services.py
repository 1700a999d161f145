"""Which process is fuzzed with which document, and what makes sense to it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Final

from contracts.platform.parts import Part
from contracts.platform.platform import Platform
from machine import Fuzzed

CALLS: Final = 1500
"""How many calls a sequence of sequences makes."""
STEPS: Final = 25
"""How many calls one sequence has at most."""


def fuzzed(
    platform: Platform,
    part: Part,
    api: Path,
    seed: int,
    sense: Mapping[str, Callable[[Random], object]] = MappingProxyType({}),
    links: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Fuzzed:
    """The first process of a part of the platform, with the document that it publishes; see `Fuzzed`."""
    address = platform.nodes[part][0].process.address("http")
    return Fuzzed(api / "openapi.yaml", f"http://{address}", seed, sense, links)
