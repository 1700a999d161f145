"""Grows new inputs from every corpus for a moment, the same ones each time: the tier `fuzz` looks for what nobody thought of."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from runner.room import Room, load

ROOM: Final = Room(Path(__file__).parents[1])


def grown(target: str) -> strategies.SearchStrategy[bytes]:
    """Inputs of the corpus with a part cut out, replaced or doubled, and such that have nothing of it."""
    seeds = strategies.sampled_from([file.read_bytes() for file in ROOM.inputs(target)])
    places = strategies.integers(0, 1 << 16)
    changed = strategies.builds(_change, seeds, places, places, strategies.binary(max_size=16))
    return strategies.one_of(changed, strategies.builds(_splice, seeds, seeds, places), strategies.binary())


def _change(data: bytes, start: int, length: int, new: bytes) -> bytes:
    start %= len(data) + 1
    return data[:start] + new + data[start + length % 9 :]


def _splice(first: bytes, second: bytes, place: int) -> bytes:
    place %= len(first) + 1
    return first[:place] + second[place:]


@pytest.mark.parametrize("target", ROOM.targets())
def test_inputs_grown_from_the_corpus_break_no_promise(target: str) -> None:
    check = load(target)

    @settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )
    @given(grown(target))
    def holds(data: bytes) -> None:
        check(data)

    holds()
