"""Steps: the parts of a test, named by its author."""

import contextlib
import time
from collections.abc import Iterator

from seatrial.timeline.timeline import Timeline, current


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Name a part of a test: its begin, end and failure become events of the current timeline. Steps nest."""
    timeline = current()
    if timeline is None:
        yield
        return
    with steps(timeline, text):
        yield


@contextlib.contextmanager
def steps(timeline: Timeline, text: str) -> Iterator[None]:
    """As `step`, on a timeline that is named."""
    number = timeline.number("step")
    began = time.monotonic()

    def took() -> float:
        return round(time.monotonic() - began, 6)

    timeline.record("test", "step", text, step=number)
    try:
        yield
    except BaseException as error:
        timeline.record("test", "step_failed", text, step=number, error=type(error).__name__, took_s=took())
        raise
    timeline.record("test", "step_done", text, step=number, took_s=took())
