"""The command of a failure has all that its run was given, and a table is aligned."""

import shlex
from pathlib import Path, PurePosixPath

from house.flakes.beside import Attempt
from house.flakes.modules import Module
from house.flakes.verdict import as_text
from seatrial.tier import Run


def test_the_command_of_a_run_names_the_variables_that_were_made_for_it() -> None:
    attempt = Attempt(
        module=Module(PurePosixPath("boxes/a_test.py"), "boxes", Run(environment="boxes")),
        number=1,
        seed=7,
        python="env/bin/python",
        options=("-p", "seatrial.plugin"),
        folder=Path("reports"),
    )
    more = {"BOX_IMAGE": "box 1", "SEATRIAL_TEST_IMAGE": "base"}
    line = attempt.repeat({"HOME": "x", **more}, more)
    assert shlex.split(line) == [
        "BOX_IMAGE=box 1",
        "SEATRIAL_TEST_IMAGE=base",
        *("env/bin/python", "-m", "pytest", "-p", "seatrial.plugin"),
        *("--seatrial-tier=boxes", "--seatrial-order=random", "--seatrial-seed=7", "boxes/a_test.py"),
    ]


def test_names_stand_to_the_left_and_numbers_to_the_right() -> None:
    assert as_text([("module", "runs"), ("a_test.py", "20"), ("b", "7 of 20")]) == (
        "module        runs\na_test.py       20\nb          7 of 20"
    )
