"""Blocks are taken in turns, in an order drawn by lot; what a version cannot give is left out and said."""

from collections import Counter

import pytest

from seatrial.rules.seed import generator
from verdict.catalog import Metric
from verdict.comparison import SIDES, Samples, run
from verdict.protocol import Reading
from verdict.side import DriverFailed, Refused

SMALL = Metric(name="small", group="g", title="t", rig="boots", samples=4, pairs=2, warm_up=1)
LARGE = Metric(name="large", group="g", title="t", rig="platform", samples=1, unit="bytes")


class Version:
    """A version that notes what it was asked for; a question in `refusals` it cannot answer."""

    def __init__(self, side: str, asked: list[str], refusals: dict[str, Exception] | None = None) -> None:
        self._side = side
        self._asked = asked
        self._refusals = refusals or {}

    def _note(self, question: str) -> None:
        self._asked.append(f"{self._side} {question}")
        if question in self._refusals:
            raise self._refusals[question]

    def open(self, rig: str) -> None:
        self._note(f"open {rig}")

    def prepare(self, metric: str, warm_up: int) -> None:
        self._note(f"prepare {metric} {warm_up}")

    def sample(self, metric: str, count: int) -> list[Reading]:
        self._note(f"sample {metric} {count}")
        return [Reading(float(len(self._asked)))] * count

    def finish(self, metric: str) -> None:
        self._note(f"finish {metric}")

    def close(self) -> None:
        self._note("close")


def compared(
    seed: int = 1, epochs: int = 1, refusals: dict[str, Exception] | None = None
) -> tuple[list[str], Samples]:
    asked: list[str] = []
    versions = {"A": Version("A", asked), "B": Version("B", asked, refusals)}
    samples = run(
        versions, [SMALL, LARGE], epochs=epochs, rng=generator(seed, "a test"), progress=lambda *_: None
    )
    return asked, samples


def test_each_pair_has_a_block_of_each_version_and_the_rest_comes_around_it() -> None:
    asked, samples = compared()
    kinds = [question.split(" ", 1)[1] for question in asked]
    assert kinds == [
        *["open boots"] * 2,
        *["prepare small 1"] * 2,
        *["sample small 2"] * 4,
        *["finish small"] * 2,
        *["close"] * 2,
        *["open platform"] * 2,
        *["prepare large 0"] * 2,
        *["sample large 1"] * 2,
        *["finish large"] * 2,
        *["close"] * 2,
    ]
    for pair in range(2):
        assert {
            block.side for block in samples.blocks if (block.metric, block.pair) == ("small", pair)
        } == set(SIDES)
    assert [block.order for block in samples.blocks] == list(range(6))
    assert samples.failures == {}


def test_no_version_is_asked_while_the_other_samples() -> None:
    """Every question is answered before the next is put: samples are never taken side by side."""
    asked, _ = compared(epochs=3)
    sampling = [question for question in asked if "sample" in question]
    assert len(sampling) == 3 * 6


def test_which_version_is_first_is_drawn_evenly_and_repeated_by_the_seed() -> None:
    _, samples = compared(epochs=400)
    firsts = Counter(
        block.side for block in samples.blocks if block.metric == "small" and block.order % 6 in (0, 2)
    )
    assert 330 <= firsts["A"] <= 470
    order = [block.side for block in samples.blocks]
    assert [block.side for block in compared(epochs=400)[1].blocks] == order
    assert [block.side for block in compared(seed=2, epochs=400)[1].blocks] != order


def test_samples_are_told_by_epoch_and_in_the_order_in_which_they_came() -> None:
    _, samples = compared(epochs=2)
    for side in SIDES:
        by_epoch = samples.epochs("small", side)
        assert [len(values) for values in by_epoch] == [4, 4]
        flat = [reading.value for reading in samples.readings("small", side)]
        assert flat == [value for epoch in by_epoch for value in epoch]
        assert flat == sorted(flat)


@pytest.mark.parametrize("question", ["prepare small 1", "sample small 2", "finish small"])
def test_a_metric_that_a_version_cannot_give_is_left_out_and_the_others_go_on(question: str) -> None:
    asked, samples = compared(epochs=3, refusals={question: Refused("it is broken")})
    assert samples.failures == {"small": "B: it is broken"}
    assert not samples.epochs("small", "A")
    assert [len(samples.epochs("large", side)) for side in SIDES] == [3, 3]
    assert asked.count(f"B {question}") == 1
    assert asked.count("A close") == asked.count("B close") == 1 + 3


def test_a_rig_that_does_not_boot_fails_its_metrics_and_leaves_nothing_open() -> None:
    asked, samples = compared(epochs=2, refusals={"open boots": Refused("no such service")})
    assert samples.failures == {"small": "B: it could not be booted: no such service"}
    assert asked.count("A open boots") == asked.count("A close") - 2 <= 1
    assert len(samples.epochs("large", "A")) == 2


def test_what_the_harness_finds_at_the_end_is_a_problem() -> None:
    _, samples = compared(refusals={"close": Refused("UnexpectedLog: a warning")})
    assert samples.problems == [
        "B, epoch 1, boots: UnexpectedLog: a warning",
        "B, epoch 1, platform: UnexpectedLog: a warning",
    ]


def test_a_dead_driver_ends_the_comparison_at_once() -> None:
    with pytest.raises(DriverFailed, match="gone"):
        compared(refusals={"sample small 2": DriverFailed("gone")})
