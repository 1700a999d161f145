"""The inputs of a target, and inputs grown from them."""

from pathlib import Path
from typing import Final

from hypothesis import strategies

ROOT: Final = Path(__file__).parents[1] / "corpus"


def files(target: str) -> list[Path]:
    """The inputs of a target, by name; an empty corpus is an error, for it would prove nothing."""
    found = sorted((ROOT / target).iterdir())
    if not found:
        raise FileNotFoundError(f"{ROOT / target}: no input (add one, or remove the target)")
    return found


def grown(target: str) -> strategies.SearchStrategy[bytes]:
    """Inputs of the corpus with a part cut out, replaced or doubled, and such that nobody thought of."""
    seeds = strategies.sampled_from([file.read_bytes() for file in files(target)])
    places = strategies.integers(0, 1 << 16)
    changed = strategies.builds(_change, seeds, places, places, strategies.binary(max_size=16))
    return strategies.one_of(changed, strategies.builds(_splice, seeds, seeds, places), strategies.binary())


def _change(data: bytes, start: int, length: int, new: bytes) -> bytes:
    start %= len(data) + 1
    return data[:start] + new + data[start + length % 9 :]


def _splice(first: bytes, second: bytes, place: int) -> bytes:
    place %= len(first) + 1
    return first[:place] + second[place:]
