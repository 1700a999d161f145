"""Replays every corpus: what is called good is accepted, what is called bad is rejected, and no input breaks a promise."""

from pathlib import Path
from typing import Final

import pytest

from runner.room import BAD, CRASH, GOOD, VERDICTS, Room, load

ROOM: Final = Room(Path(__file__).parents[1])
TARGETS: Final = ROOM.targets()
INPUTS: Final = [
    pytest.param(target, file, id=f"{target}-{file.name}")
    for target in TARGETS
    for file in ROOM.inputs(target)
]


@pytest.mark.parametrize(("target", "file"), INPUTS)
def test_an_input_is_judged_as_its_name_says(target: str, file: Path) -> None:
    accepted = load(target)(file.read_bytes())
    verdict = file.name.partition("_")[0]
    assert verdict == CRASH or accepted == (verdict == GOOD)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_has_inputs_that_are_accepted_and_such_that_are_not(target: str) -> None:
    verdicts = [file.name.partition("_")[0] for file in ROOM.inputs(target)]
    assert {GOOD, BAD} <= set(verdicts) <= set(VERDICTS)
