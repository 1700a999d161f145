"""Proofs of the comparison itself: versions of which the right answer is known, compared again and again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seatrial.results.reports import write_atomically
from verdict.comparison import Samples
from verdict.judgement import Judged
from verdict.trees import Tree

SLOWED_METRIC: Final = "command"
"""What `trees.slow_down` slows down."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one comparison came to."""

    number: int
    seed: int
    judged: tuple[Judged, ...]
    problems: tuple[str, ...]

    @property
    def evidence(self) -> list[Judged]:
        """The metrics with another verdict than no evidence."""
        return [each for each in self.judged if each.verdict not in ("no evidence", "refused")]

    def right(self, slowed: bool) -> bool:
        """Whether it found what there is: nothing between identical versions, the slowed command otherwise."""
        if self.problems or any(each.verdict == "failed" for each in self.judged):
            return False
        if not slowed:
            return not self.evidence
        return any(each.metric.name == SLOWED_METRIC and each.verdict == "slower" for each in self.judged)

    @property
    def words(self) -> str:
        """In one line."""
        found = [f"{each.metric.name} {_words(each)}" for each in self.evidence]
        return "; ".join([*(found or ["no evidence"]), *self.problems])


def _words(each: Judged) -> str:
    if each.reason or each.decisive is None:
        return f"{each.verdict}: {each.reason}"
    decisive = each.decisive
    return f"{each.verdict} (p{decisive.rank} {decisive.effect.share:+.1%}, p = {decisive.adjusted:.2g})"


def write(
    directory: Path, comparisons: Sequence[Comparison], samples: Samples, versions: Mapping[str, Tree]
) -> None:
    """Write proof.json, and the raw samples of the last comparison, each whole or not at all."""
    document = {
        "versions": {side: tree.origin for side, tree in versions.items()},
        "comparisons": [
            {
                "number": each.number,
                "seed": each.seed,
                "words": each.words,
                "tested": [
                    {
                        "metric": judged.metric.name,
                        "rank": tested.rank,
                        "share": tested.effect.share,
                        "low": tested.effect.interval.low,
                        "high": tested.effect.interval.high,
                        "p_value": tested.effect.p_value,
                        "adjusted": tested.adjusted,
                        "verdict": tested.verdict,
                    }
                    for judged in each.judged
                    for tested in judged.tested
                ],
            }
            for each in comparisons
        ],
    }
    write_atomically(directory / "proof.json", json.dumps(document, indent=1) + "\n")
    last = comparisons[-1].number
    blocks = [
        {
            "metric": block.metric,
            "side": block.side,
            "epoch": block.epoch,
            "pair": block.pair,
            "order": block.order,
            "readings": [reading.plain() for reading in block.readings],
        }
        for block in samples.blocks
    ]
    write_atomically(directory / f"samples-{last:02}.json", json.dumps(blocks) + "\n")
