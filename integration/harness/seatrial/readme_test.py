"""The README's suite for foreign servers, as it stands there, in a directory where nothing else is."""

import re
from collections.abc import Callable
from pathlib import Path

from seatrial.conftest import Inner

README = Path(__file__).parents[1] / "README.md"
LONGEST = 40
NewInner = Callable[[str], Inner]


def example() -> str:
    """The one Python block of the README."""
    text = README.read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return str(block)


def test_the_example_is_short() -> None:
    assert len(example().rstrip().splitlines()) <= LONGEST


def test_the_example_runs_as_it_stands(new_inner: NewInner) -> None:
    run = new_inner(example()).run()
    assert run.status == 0, run.output
    assert run.result.counts.passed == run.result.counts.total == 2


def test_the_example_can_fail(new_inner: NewInner) -> None:
    run = new_inner(example().replace("cache.restart()", "pass")).run()
    assert run.status == 1, run.output
    assert (run.result.counts.passed, run.result.counts.failed) == (1, 1)
